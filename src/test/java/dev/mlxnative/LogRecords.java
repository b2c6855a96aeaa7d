package dev.mlxnative;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** What the library logs while this is open. */
final class LogRecords extends Handler implements AutoCloseable {
    private static final Logger LOGGER = Logger.getLogger("dev.mlxnative");

    private final List<LogRecord> records = new CopyOnWriteArrayList<>();

    LogRecords() {
        LOGGER.addHandler(this);
    }

    /** The messages that contain a text, with their parameters in place. */
    List<String> with(String text) {
        return records.stream()
                .map(record -> record.getParameters() == null
                        ? record.getMessage()
                        : java.text.MessageFormat.format(record.getMessage(), record.getParameters()))
                .filter(message -> message.contains(text))
                .toList();
    }

    /** What was logged with the messages that have a throwable. */
    List<Throwable> origins() {
        return records.stream()
                .map(LogRecord::getThrown)
                .filter(Objects::nonNull)
                .toList();
    }

    @Override
    public void publish(LogRecord logged) {
        records.add(logged);
    }

    @Override
    public void flush() {}

    @Override
    public void close() {
        LOGGER.removeHandler(this);
    }
}
