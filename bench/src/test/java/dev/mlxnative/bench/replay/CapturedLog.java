package dev.mlxnative.bench.replay;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Formatter;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;

/** Captures the messages that the library logs while it is open, and keeps them off the console. */
final class CapturedLog extends Handler implements AutoCloseable {

    private static final Logger LOGGER = Logger.getLogger("dev.mlxnative");

    private final Formatter formatter = new SimpleFormatter();
    private final List<String> messages = new CopyOnWriteArrayList<>();

    CapturedLog() {
        LOGGER.addHandler(this);
        LOGGER.setUseParentHandlers(false);
    }

    List<String> messages() {
        return messages;
    }

    @Override
    public void publish(LogRecord logged) {
        messages.add(formatter.formatMessage(logged));
    }

    @Override
    public void flush() {}

    @Override
    public void close() {
        LOGGER.setUseParentHandlers(true);
        LOGGER.removeHandler(this);
    }
}
