package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.FutureTask;
import jdk.jfr.Configuration;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Idle memory that the system takes, or does not give back. Needs a test build of the library. */
@Tag("faults")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PurgeableFaultsTest {
    private static final long BYTES = 1 << 20;
    private static final byte LEFT = 5;

    private static final int THREADS = 4;
    private static final int LEASES = 3000;

    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final MlxDevice device = MlxDevice.open();

    @AfterEach
    void nothingIsLeft() {
        NativeFaults.clear();
        device.close();
        LiveObjects.assertNoneLeft();
    }

    private MlxBufferPool.Builder builder(Sizing sizing) {
        return MlxBufferPool.builder(device)
                .sizing(sizing)
                .trimIdleAfter(Duration.ZERO)
                .purgeableAfter(Duration.ofMillis(2));
    }

    /** Memory with contents that was leased, and is idle for long enough. */
    private static void makeIdle(MlxBufferPool pool, int buffers) {
        List<MlxBuffer> leased = new ArrayList<>();
        List<PurgeableState> states = new ArrayList<>();
        for (int i = 0; i < buffers; i++) {
            MlxBuffer buffer = pool.alloc(BYTES, DType.U8);
            buffer.segment().fill(LEFT);
            states.add(PurgeableState.of(buffer));
            leased.add(buffer);
        }
        leased.forEach(MlxBuffer::close);
        states.forEach(PurgeableState::awaitVolatile);
    }

    @ParameterizedTest
    @CsvSource({
        "POWER_OF_TWO, FRESH, false, 0",
        "POWER_OF_TWO, ALWAYS, false, 0",
        "POWER_OF_TWO, NEVER, false, 0xCD",
        "POWER_OF_TWO, FRESH, true, 0",
        "COMPACT, FRESH, false, 0",
        "COMPACT, ALWAYS, false, 0",
        "COMPACT, NEVER, false, 0xCD",
        "COMPACT, FRESH, true, 0"
    })
    void takenContentsAreThoseOfNewMemory(Sizing sizing, Zeroing zeroing, boolean checked, String expected) {
        NativeFaults.purging(true);
        try (MlxBufferPool pool =
                builder(sizing).zeroing(zeroing).checked(checked).build()) {
            makeIdle(pool, 1);
            try (MlxBuffer buffer = pool.alloc(BYTES, DType.U8)) {
                assertThat(pool.stats().hits()).isEqualTo(1);
                assertThat(buffer.segment().toArray(JAVA_BYTE)).containsOnly(Integer.decode(expected));
            }
        }
    }

    @Test
    void allSmallBlocksOfTakenMemoryAreZero() {
        NativeFaults.purging(true);
        try (MlxBufferPool pool = builder(Sizing.POWER_OF_TWO).build()) {
            MlxBuffer first = pool.alloc(256, DType.U8);
            first.segment().fill(LEFT);
            PurgeableState state = PurgeableState.of(first);
            first.close();
            state.awaitVolatile();
            for (int i = 0; i < 8; i++) {
                assertThat(pool.alloc(256, DType.U8).segment().toArray(JAVA_BYTE))
                        .containsOnly(0);
            }
            assertThat(pool.stats()).returns(8L, PoolStats::hits).returns(1L, PoolStats::nativeAllocations);
            pool.reset();
        }
    }

    @Test
    void anEventTellsWhatWasTaken(@TempDir Path folder) throws Exception {
        NativeFaults.purging(true);
        Path file = folder.resolve("purged.jfr");
        Configuration profile = Configuration.create(Path.of("src", "main", "resources", "META-INF", "mlx-native.jfc"));
        try (Recording recording = new Recording(profile);
                MlxBufferPool pool = builder(Sizing.POWER_OF_TWO).name("taken").build()) {
            recording.start();
            makeIdle(pool, 1);
            pool.alloc(BYTES, DType.U8).close();
            pool.alloc(BYTES, DType.U8).close();
            recording.stop();
            recording.dump(file);
        }
        assertThat(RecordingFile.readAllEvents(file))
                .filteredOn(event -> event.getEventType().getName().equals("dev.mlxnative.Purged"))
                .singleElement()
                .returns("taken", event -> event.getString("pool"))
                .returns(BYTES, event -> event.getLong("bytes"));
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void memoryThatIsNotGivenBackIsFreedAndTheDeviceServes(Sizing sizing) {
        try (MlxBufferPool pool = builder(sizing).build()) {
            makeIdle(pool, 1);
            NativeFaults.failPurgeable(1, Long.MAX_VALUE);
            try (MlxBuffer buffer = pool.alloc(BYTES, DType.U8)) {
                assertThat(PurgeableState.of(buffer).isVolatile()).isFalse();
                assertThat(buffer.segment().toArray(JAVA_BYTE)).as("new memory").containsOnly(0);
                assertThat(pool.stats())
                        .returns(2L, PoolStats::requests)
                        .returns(2L, PoolStats::nativeAllocations)
                        .returns(0L, PoolStats::hits);
                assertThat(NativeFaults.liveBuffers()).isEqualTo(1);
            }
        }
        log.await(1, "a native buffer is freed that the system does not give back");
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void memoryThatTheDeviceDoesNotMarkIsReused(Sizing sizing) {
        NativeFaults.failPurgeable(1, Long.MAX_VALUE);
        try (MlxBufferPool pool = builder(sizing).build()) {
            MlxBuffer first = pool.alloc(BYTES, DType.U8);
            PurgeableState state = PurgeableState.of(first);
            first.close();
            // Longer than several sweeps take.
            for (int i = 0; i < 5; i++) {
                Async.pause();
                assertThat(state.isVolatile()).isFalse();
            }
            pool.alloc(BYTES, DType.U8).close();
            assertThat(pool.stats()).returns(1L, PoolStats::hits).returns(1L, PoolStats::nativeAllocations);
        }
    }

    /**
     * Threads whose memory becomes idle between their leases. A volatile buffer loses its contents at once, so that a
     * lease on one would find other bytes than it wrote.
     */
    @ParameterizedTest
    @EnumSource(Sizing.class)
    void noLeaseIsOnVolatileMemoryWhateverFails(Sizing sizing) throws Exception {
        NativeFaults.purging(true);
        try (MlxBufferPool pool =
                builder(sizing).purgeableAfter(Duration.ofNanos(1)).build()) {
            List<FutureTask<Void>> threads = new ArrayList<>();
            for (int thread = 0; thread < THREADS; thread++) {
                long seed = thread;
                threads.add(Async.start(() -> {
                    leaseAndStamp(pool, new SplittableRandom(seed));
                    return null;
                }));
            }
            for (FutureTask<Void> thread : threads) {
                thread.get();
            }
            NativeFaults.failPurgeable(1, 0);
            assertThat(pool.stats())
                    .returns((long) THREADS * LEASES, PoolStats::requests)
                    .returns(0, PoolStats::activeCount)
                    .returns(0L, PoolStats::requestedBytes);
            assertThat(pool.stats().footprintBytes()).isEqualTo(device.allocatedBytes());
        }
        assertThat(log.with("does not give back")).isNotEmpty();
    }

    private static void leaseAndStamp(MlxBufferPool pool, SplittableRandom random) {
        List<MlxBuffer> held = new ArrayList<>();
        for (int i = 0; i < LEASES; i++) {
            if (random.nextInt(100) == 0) {
                NativeFaults.failPurgeable(1 + random.nextInt(4), 1);
            }
            MlxBuffer buffer = pool.alloc(1L << random.nextInt(20), DType.U8);
            assertThat(PurgeableState.of(buffer).isVolatile()).isFalse();
            buffer.segment().fill(LEFT);
            held.add(buffer);
            while (held.size() > random.nextInt(4)) {
                MlxBuffer ended = held.removeFirst();
                assertThat(PurgeableState.of(ended).isVolatile()).isFalse();
                assertThat(ended.segment().get(JAVA_BYTE, 0)).isEqualTo(LEFT);
                assertThat(ended.segment().get(JAVA_BYTE, ended.byteLength() - 1))
                        .isEqualTo(LEFT);
                ended.close();
            }
        }
        held.forEach(MlxBuffer::close);
    }
}
