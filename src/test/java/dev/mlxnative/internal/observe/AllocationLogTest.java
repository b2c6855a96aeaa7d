package dev.mlxnative.internal.observe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.mlxnative.Async;
import dev.mlxnative.ForkedJvm;
import dev.mlxnative.LogRecords;
import dev.mlxnative.Unreachable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class AllocationLogTest {
    private static final String BREAKS_OFF = " breaks off";

    @RegisterExtension
    final LogRecords records = new LogRecords();

    @TempDir
    private Path folder;

    private Path file() {
        return folder.resolve("log.csv");
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void aLineHasThreadTimeActionAddressAndSize() {
        var log = new AllocationLog(file());
        log.allocated(0x7f00_1234_5678L, 1000);
        log.freed(0x10L, Long.MAX_VALUE);
        log.allocated(-1L, 1);
        log.failed(5);
        log.close();
        log.freed(0x20L, 1);
        log.close();
        String thread = String.valueOf(Thread.currentThread().threadId());
        assertThat(lines(file())).first().isEqualTo("Thread,Time,Action,Pointer,Size,Stream");
        assertThat(lines(file()).stream().skip(1))
                .allMatch(line -> line.matches(thread + ",\\d+,.*"))
                .extracting(line -> line.replaceFirst("\\d+,\\d+,", ""))
                .containsExactly(
                        "allocate,0x7f0012345678,1000,0",
                        "free,0x10,9223372036854775807,0",
                        "allocate,0xffffffffffffffff,1,0",
                        "allocate failure,0x0,5,0");
    }

    @Test
    void linesAreInTheFileASecondLater() {
        var log = new AllocationLog(file());
        log.allocated(16, 1000);
        assertThat(lines(file())).as("lines are written together").isEmpty();
        Async.await(() -> lines(file()).size() == 2);
        log.freed(16, 1000);
        Async.await(() -> lines(file()).size() == 3);
        log.close();
        assertThat(lines(file())).hasSize(3);
    }

    @Test
    void aFullBufferIsWrittenAtOnce() {
        var log = new AllocationLog(file());
        for (int i = 0; i < 5000; i++) {
            log.allocated(16, i);
        }
        List<String> written = lines(file());
        assertThat(written).hasSizeBetween(2000, 5000).last().asString().endsWith(",0");
        log.close();
        assertThat(lines(file())).hasSize(5001);
    }

    @Test
    void aClosedLogIsUnreachableAtOnce() {
        WeakReference<AllocationLog> log = new WeakReference<>(closed());
        Unreachable.require("a closed log", log);
    }

    private AllocationLog closed() {
        var log = new AllocationLog(file());
        log.allocated(16, 1000);
        log.close();
        return log;
    }

    @Test
    void aLogThatIsDroppedIsUnreachableOnceItsLinesAreWritten() {
        WeakReference<AllocationLog> log = dropped();
        Unreachable.await("the log", log);
        assertThat(lines(file())).hasSize(2);
    }

    private WeakReference<AllocationLog> dropped() {
        var log = new AllocationLog(file());
        log.allocated(16, 1000);
        return new WeakReference<>(log);
    }

    @Test
    void anInterruptedThreadWritesAndStaysInterrupted() {
        var log = new AllocationLog(file());
        Thread.currentThread().interrupt();
        for (int i = 0; i < 5000; i++) {
            log.allocated(16, i);
        }
        log.close();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(lines(file())).hasSize(5001);
    }

    @Test
    void aVirtualThreadThatIsInterruptedWrites() throws Exception {
        var log = new AllocationLog(file());
        Thread thread = Thread.startVirtualThread(() -> {
            Thread.currentThread().interrupt();
            for (int i = 0; i < 5000; i++) {
                log.allocated(16, i);
            }
        });
        thread.join();
        log.close();
        assertThat(lines(file())).hasSize(5001);
    }

    private static AllocationLog onAFullDisk() {
        Path full = Path.of("/dev/full");
        assumeTrue(Files.exists(full), "not run: this system has no /dev/full");
        return new AllocationLog(full);
    }

    @Test
    void aFullDiskEndsTheLogWithOneWarningWhenItIsFlushed() {
        AllocationLog log = onAFullDisk();
        log.allocated(16, 1000);
        records.await(1, BREAKS_OFF);
        log.freed(16, 1000);
        log.close();
        assertThat(records.origins()).singleElement().isInstanceOf(IOException.class);
    }

    @Test
    void aFullDiskEndsTheLogWithOneWarningWhenItIsClosed() {
        AllocationLog log = onAFullDisk();
        log.allocated(16, 1000);
        log.close();
        log.close();
        assertThat(records.with(BREAKS_OFF)).hasSize(1);
    }

    @Test
    void aFullDiskEndsTheLogWithOneWarningWhenTheBufferIsFull() {
        AllocationLog log = onAFullDisk();
        for (int i = 0; i < 5000; i++) {
            log.allocated(16, i);
        }
        log.close();
        assertThat(records.with(BREAKS_OFF)).hasSize(1);
    }

    /** Exits without closing its log, while a daemon thread and another exit hook still write. */
    static final class Exits {
        public static void main(String[] arguments) throws InterruptedException {
            var log = new AllocationLog(Path.of(arguments[0]));
            log.allocated(16, 1);
            log.freed(16, 1);
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                try {
                    // By then the log's own hook has run.
                    Thread.sleep(500);
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
                log.allocated(32, 2);
            }));
            if (arguments.length > 1) {
                Thread.ofPlatform().daemon().start(() -> {
                    while (true) {
                        log.allocated(48, 3);
                    }
                });
                Thread.sleep(100);
            }
            System.exit(0);
        }
    }

    @Test
    void theExitOfTheJvmWritesTheRest() throws Exception {
        ForkedJvm jvm = ForkedJvm.run(List.of(), Exits.class, file().toString());
        assertThat(jvm).isEqualTo(new ForkedJvm(0, "", ""));
        assertThat(lines(file()).stream().map(line -> line.replaceFirst("\\d+,\\d+,", "")))
                .containsExactly(
                        "Thread,Time,Action,Pointer,Size,Stream",
                        "allocate,0x10,1,0",
                        "free,0x10,1,0",
                        "allocate,0x20,2,0");
    }

    @Test
    void theExitOfTheJvmWritesWholeLinesWhileOtherThreadsWrite() throws Exception {
        ForkedJvm jvm = ForkedJvm.run(List.of(), Exits.class, file().toString(), "busy");
        assertThat(jvm).isEqualTo(new ForkedJvm(0, "", ""));
        assertThat(lines(file()).stream().skip(1))
                .hasSizeGreaterThan(100)
                .allMatch(line -> line.matches("\\d+,\\d+,(allocate|free),0x[0-9a-f]+,\\d+,0"))
                .anyMatch(line -> line.endsWith(",0x20,2,0"));
    }

    /** Exits with a log on a pipe that blocks. */
    static final class ExitsOnAPipe {
        public static void main(String[] arguments) throws Exception {
            var log = new AllocationLog(Path.of(arguments[0]));
            Thread.ofPlatform().daemon().start(() -> {
                while (true) {
                    log.allocated(16, 1);
                }
            });
            Thread.sleep(500);
            System.exit(0);
        }
    }

    @Test
    void aFileThatBlocksDoesNotKeepTheJvmFromItsExit() throws Exception {
        Path pipe = folder.resolve("pipe");
        Process mkfifo = new ProcessBuilder("mkfifo", pipe.toString()).start();
        assertThat(mkfifo.waitFor()).isZero();
        // Opens the pipe, and reads nothing.
        Process reader = new ProcessBuilder("sh", "-c", "exec sleep 60 < \"$0\"", pipe.toString()).start();
        try {
            assertThat(ForkedJvm.run(List.of(), ExitsOnAPipe.class, pipe.toString()))
                    .isEqualTo(new ForkedJvm(0, "", ""));
        } finally {
            reader.destroyForcibly().waitFor();
        }
    }
}
