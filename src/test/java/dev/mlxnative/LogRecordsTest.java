package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNoException;

import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The capture of log records, on records that the test logs itself. */
class LogRecordsTest {
    private static final Logger LIBRARY = Logger.getLogger("dev.mlxnative");

    private final LogRecords log = new LogRecords();

    @BeforeEach
    void open() {
        log.open();
    }

    @AfterEach
    void close() {
        log.close();
    }

    @Test
    void aRecordWithoutAnAssertionFailsTheTest() {
        Throwable origin = new Throwable("allocated here");
        LIBRARY.log(Level.WARNING, "expected {0}", 1000);
        LIBRARY.log(Level.WARNING, "unexpected", origin);
        assertThat(log.with("expected 1,000")).containsExactly("expected 1,000");
        assertThatExceptionOfType(AssertionError.class)
                .isThrownBy(log::requireAllMatched)
                .satisfies(failure -> assertThat(failure.getSuppressed())
                        .singleElement()
                        .satisfies(record ->
                                assertThat(record).hasMessage("unexpected").hasCause(origin)));
        assertThat(log.without("expected 1")).containsExactly("unexpected");
        assertThatNoException().isThrownBy(log::requireAllMatched);
    }

    @Test
    void anOpenCaptureKeepsTheConsoleSilent() {
        assertThat(LIBRARY.getUseParentHandlers()).isFalse();
        log.close();
        assertThat(LIBRARY.getUseParentHandlers()).isTrue();
        assertThat(LIBRARY.getHandlers()).doesNotContain(log);
    }
}
