package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.LeakDetection;
import dev.mlxnative.LogRecords;
import java.io.IOException;
import java.lang.ref.Cleaner;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** What a pool reports to its allocation log and to Flight Recorder. */
class PoolObserverTest {
    @RegisterExtension
    final LogRecords log = new LogRecords();

    @TempDir
    private Path directory;

    private final PoolSetup setup = new PoolSetup().leakDetection(LeakDetection.FULL);
    private final FakeFence fence = new FakeFence();

    /** Actions, addresses and sizes of an allocation log. */
    private static List<String> lines(Path file) throws IOException {
        return Files.readAllLines(file).stream()
                .skip(1)
                .map(line -> line.replaceFirst("^\\d+,\\d+,", ""))
                .toList();
    }

    private static String line(String action, Block block, long size) {
        return action + ",0x" + Long.toHexString(block.address()) + "," + size + ",0";
    }

    /** Leases, releases, parks, leaks, is refused, trims and closes. */
    private List<Block> useAll(PoolEngine pool) {
        Lease first = Lease.of(pool, 1000);
        first.end();
        Lease second = Lease.of(pool, 1001);
        second.endWith(fence);
        Lease leaked = Lease.of(pool, 2000);
        leak(pool, leaked);
        assertThat(log.with("leak in pool pool")).hasSize(1);
        BufferAllocationException denial =
                catchThrowableOfType(BufferAllocationException.class, () -> Lease.of(pool, 5 * PAGE));
        assertThat(denial).isNotNull();
        fence.complete();
        pool.trim(0);
        return List.of(first.block(), second.block(), leaked.block());
    }

    private static void leak(PoolEngine pool, Lease lease) {
        Object holder = new Object();
        pool.watchSample(holder, lease.block(), lease.generation(), null, lease.block().requestedBytes);
        Cleaner.Cleanable watch = lease.block().watch;
        assertThat(watch).isNotNull();
        watch.clean();
    }

    @Test
    void theAllocationLogHasEveryRequestAndRelease() throws IOException {
        Path file = directory.resolve("log.csv");
        PoolEngine pool = setup.limits(limits -> limits.withMemoryLimit(4 * PAGE))
                .allocationLog(file)
                .engine();
        List<Block> blocks = useAll(pool);
        pool.close();
        Block first = blocks.get(0);
        Block leaked = blocks.get(2);
        assertThat(blocks.get(1)).as("memory that was released is leased again").isSameAs(first);
        assertThat(lines(file))
                .containsExactly(
                        line("allocate", first, 1000),
                        line("free", first, 1000),
                        line("allocate", first, 1001),
                        line("free", first, 1001),
                        line("allocate", leaked, 2000),
                        line("free", leaked, 2000),
                        "allocate failure,0x0,81920,0");
    }

    @Test
    void aLeaseOfALoggedPoolIsRetiredSoThatItsEndIsSeen() {
        PoolEngine pool = setup.allocationLog(directory.resolve("log.csv")).engine();
        Lease.of(pool, 512).end();
        Lease lease = Lease.of(pool, 1024);
        lease.end();
        assertThat(lease.block().shard().takeCached(1024)).isNull();
        pool.close();
    }

    @Test
    void flightRecorderHasTheEventsOfAPool() throws IOException {
        Path file = directory.resolve("recording.jfr");
        try (var recording = new Recording()) {
            for (String event : List.of(
                    "BufferAllocated",
                    "BufferReleased",
                    "BufferParked",
                    "NativeAllocated",
                    "Trimmed",
                    "AllocationFailed",
                    "BufferLeaked")) {
                recording.enable("dev.mlxnative." + event).withoutThreshold();
            }
            recording.start();
            useAll(setup.limits(limits -> limits.withMemoryLimit(4 * PAGE)).engine());
            recording.stop();
            recording.dump(file);
        }
        assertThat(RecordingFile.readAllEvents(file).stream().map(PoolObserverTest::describe))
                .containsExactlyInAnyOrder(
                        "NativeAllocated 16384",
                        "BufferAllocated 1000 1024 false",
                        "BufferReleased 1000 1024",
                        "BufferAllocated 1001 1024 true",
                        "BufferParked 1001 1024",
                        "NativeAllocated 16384",
                        "BufferAllocated 2000 2048 false",
                        "BufferLeaked 1 2000",
                        "AllocationFailed 81920 the memory limit 65536",
                        "Trimmed trim or clear 1 16384");
    }

    private static String describe(RecordedEvent event) {
        String name = event.getEventType().getName().replace("dev.mlxnative.", "");
        assertThat(event.getString("pool")).isEqualTo("pool");
        return switch (name) {
            case "BufferAllocated" ->
                "%s %d %d %s"
                        .formatted(
                                name,
                                event.getLong("requestedBytes"),
                                event.getLong("capacity"),
                                event.getBoolean("hit"));
            case "BufferReleased", "BufferParked" ->
                "%s %d %d".formatted(name, event.getLong("requestedBytes"), event.getLong("capacity"));
            case "NativeAllocated" -> "%s %d".formatted(name, event.getLong("capacity"));
            case "Trimmed" ->
                "%s %s %d %d".formatted(name, event.getString("cause"), event.getInt("count"), event.getLong("bytes"));
            case "AllocationFailed" ->
                "%s %d %s %d"
                        .formatted(
                                name,
                                event.getLong("requestedBytes"),
                                event.getString("reason"),
                                event.getLong("memoryLimit"));
            case "BufferLeaked" -> "%s %d %d".formatted(name, event.getInt("count"), event.getLong("requestedBytes"));
            default -> name;
        };
    }
}
