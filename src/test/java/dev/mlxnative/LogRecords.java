package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * A JUnit extension that captures the library's log records during a test and keeps them from the console.
 *
 * <p>A test asserts each record that it causes, with {@link #with} or {@link #await}. A record that no assertion has
 * matched fails the test when it ends. A record that a background thread logs after that goes to the console.
 */
public final class LogRecords extends Handler implements BeforeEachCallback, AfterEachCallback {
    private static final Logger LOGGER = Logger.getLogger("dev.mlxnative");
    private static final long WAIT_NANOS = TimeUnit.SECONDS.toNanos(20);

    private final Queue<LogRecord> records = new ConcurrentLinkedQueue<>();
    /** The records that an assertion has matched, by identity. */
    private final Set<LogRecord> matched = ConcurrentHashMap.newKeySet();

    @Override
    public void beforeEach(ExtensionContext context) {
        open();
    }

    @Override
    public void afterEach(ExtensionContext context) {
        close();
        requireAllMatched();
    }

    /** The messages that contain a text, as the console would show them. Their records count as matched. */
    public List<String> with(String text) {
        List<LogRecord> found = recordsWith(text);
        matched.addAll(found);
        return found.stream().map(LogRecords::message).toList();
    }

    /** Waits until that many messages contain a text. A background thread may count an event before it logs it. */
    public void await(int count, String text) {
        long start = System.nanoTime();
        while (recordsWith(text).size() < count && System.nanoTime() - start < WAIT_NANOS) {
            Async.pause();
        }
        assertThat(with(text)).as("messages with '%s'", text).hasSize(count);
    }

    /** The messages that contain none of these texts. All records count as matched. */
    public List<String> without(String... texts) {
        Set<LogRecord> excluded = new HashSet<>();
        for (String text : texts) {
            excluded.addAll(recordsWith(text));
        }
        matched.addAll(records);
        return records.stream()
                .filter(record -> !excluded.contains(record))
                .map(LogRecords::message)
                .toList();
    }

    /** The throwables of all records that have one. */
    public List<Throwable> origins() {
        return origins("");
    }

    /** The throwables of the records that have one and whose message contains a text. */
    public List<Throwable> origins(String text) {
        return recordsWith(text).stream()
                .map(LogRecord::getThrown)
                .filter(Objects::nonNull)
                .toList();
    }

    private List<LogRecord> recordsWith(String text) {
        return records.stream().filter(record -> message(record).contains(text)).toList();
    }

    private static String message(LogRecord record) {
        return new SimpleFormatter().formatMessage(record);
    }

    void open() {
        LOGGER.addHandler(this);
        LOGGER.setUseParentHandlers(false);
    }

    @Override
    public void publish(LogRecord record) {
        records.add(record);
    }

    @Override
    public void flush() {}

    @Override
    public void close() {
        LOGGER.setUseParentHandlers(true);
        LOGGER.removeHandler(this);
    }

    void requireAllMatched() {
        AssertionError failure = new AssertionError("the test has asserted none of these log records");
        records.stream()
                .filter(record -> !matched.contains(record))
                .map(record -> new AssertionError(message(record), record.getThrown()))
                .forEach(failure::addSuppressed);
        if (failure.getSuppressed().length > 0) {
            throw failure;
        }
    }
}
