package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.DType;
import dev.mlxnative.LeakDetection;
import dev.mlxnative.LogRecords;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.PoolStats;
import dev.mlxnative.Sizing;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests pools on the traces of real models: the traces that pools record, and the memory that they need. */
class RecordedTracesTest {
    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        assertThat(device.allocatedBytes()).isEqualTo(bytesBefore);
        device.close();
    }

    static List<Path> traces() throws IOException {
        try (Stream<Path> files = Files.list(Path.of("bench", "traces"))) {
            List<Path> traces = files.sorted().toList();
            assertThat(traces).hasSizeGreaterThanOrEqualTo(8);
            return traces;
        }
    }

    @ParameterizedTest
    @MethodSource("traces")
    void aReplayRecordsTheSequenceThatItReplays(Path file) throws IOException {
        Trace original = TraceReader.read(file);
        Trace first = TraceReader.read(record(original, folder.resolve("first.csv")));
        Trace second = TraceReader.read(record(first, folder.resolve("second.csv")));
        // A replay frees at the end the buffers that the trace never frees.
        assertThat(first.events()).isEqualTo(original.events() + original.finalLiveCount());
        assertThat(events(first).subList(0, original.events())).isEqualTo(events(original));
        assertThat(events(second)).isEqualTo(events(first));
        assertThat(second.peakLiveBytes()).isEqualTo(original.peakLiveBytes());
    }

    private Path record(Trace trace, Path file) {
        try (var pool = MlxBufferPool.builder(device).traceTo(file).build()) {
            new Pass<>(trace, new PoolAllocator(pool)).time();
        }
        return file;
    }

    private static List<String> events(Trace trace) {
        var events = new ArrayList<String>();
        for (int event = 0; event < trace.events(); event++) {
            events.add(
                    (trace.isAllocation(event) ? "allocate " : "free ") + trace.slot(event) + " " + trace.size(event));
        }
        return events;
    }

    @Test
    void aTraceHasTheRequestsThatFailed() throws IOException {
        Path file = folder.resolve("failures.csv");
        try (var pool =
                MlxBufferPool.builder(device).memoryLimit(4096).traceTo(file).build()) {
            MlxBuffer buffer = pool.alloc(4000, DType.U8);
            assertThatExceptionOfType(BufferAllocationException.class).isThrownBy(() -> pool.alloc(4000, DType.U8));
            pool.reset();
            assertThat(buffer.isReleased()).isTrue();
        }
        Trace trace = TraceReader.read(file);
        assertThat(trace.failures()).isEqualTo(1);
        assertThat(events(trace)).containsExactly("allocate 0 4000", "free 0 0");
    }

    /** The file can be replayed after the pool has closed. It lacks the releases after the close. */
    @Test
    void aTraceEndsWithThePool() throws IOException {
        Path file = folder.resolve("open.csv");
        var pool = MlxBufferPool.builder(device)
                .traceTo(file)
                .leakDetection(LeakDetection.OFF)
                .build();
        MlxBuffer leased = pool.alloc(4000, DType.U8);
        pool.close();
        assertThat(log.with("pool " + pool.name() + " was closed with 1 active buffer(s)"))
                .hasSize(1);
        leased.close();
        assertThat(TraceReader.read(file).finalLiveCount()).isEqualTo(1);
    }

    @Test
    void aPoolIsNotBuiltIfItsTraceCannotBeWritten() {
        var builder = MlxBufferPool.builder(device).traceTo(folder);
        assertThatExceptionOfType(UncheckedIOException.class)
                .isThrownBy(builder::build)
                .withMessageContaining(folder.toString());
    }

    @ParameterizedTest
    @MethodSource("traces")
    void aPoolWithDefaultSettingsHoldsNoMoreThanPowersOfTwo(Path file) throws IOException {
        Trace trace = TraceReader.read(file);
        try (var pool = MlxBufferPool.create(device)) {
            new Pass<>(trace, new PoolAllocator(pool)).time();
            PoolStats stats = pool.stats();
            assertThat(stats.peakFootprintBytes())
                    .isBetween(trace.peakLiveBytes(), PowersOfTwo.bytes(trace) * 102 / 100);
            assertThat(stats.hitRate()).isGreaterThan(0.97);
        }
    }

    @ParameterizedTest
    @MethodSource("traces")
    void aCompactPoolHoldsAtMost130PercentOfPeakLive(Path file) throws IOException {
        Trace trace = TraceReader.read(file);
        try (var pool = MlxBufferPool.builder(device).sizing(Sizing.COMPACT).build()) {
            var sampler = new Sampler(pool);
            long overlaps = new Pass<>(trace, sampler).countOverlaps(sampler::sample);
            PoolStats stats = pool.stats();
            assertThat(overlaps).isZero();
            assertThat(stats.peakFootprintBytes())
                    .isBetween(trace.peakLiveBytes(), trace.peakLiveBytes() * 130 / 100)
                    .isEqualTo(sampler.highest);
            assertThat(stats.hitRate()).isGreaterThan(0.96);
        }
    }

    @ParameterizedTest
    @MethodSource("traces")
    void aMemoryLimitOf150PercentOfPeakLiveServesEveryRequest(Path file) throws IOException {
        Trace trace = TraceReader.read(file);
        long limit = trace.peakLiveBytes() * 3 / 2;
        try (var pool = MlxBufferPool.builder(device).memoryLimit(limit).build()) {
            var sampler = new Sampler(pool);
            long overlaps = new Pass<>(trace, sampler).countOverlaps(sampler::sample);
            PoolStats stats = pool.stats();
            assertThat(overlaps).isZero();
            assertThat(stats.requests()).isEqualTo(trace.requests());
            assertThat(stats.failedAllocations()).isZero();
            assertThat(stats.peakFootprintBytes()).isBetween(trace.peakLiveBytes(), limit);
            assertThat(sampler.highest).isBetween(trace.peakLiveBytes(), limit);
            assertThat(sampler.samples).isEqualTo(trace.requests());
        }
    }

    /** Allocates from a pool, and samples the footprint after each request. */
    private static final class Sampler implements Allocator<MlxBuffer> {

        private final MlxBufferPool pool;
        private final PoolAllocator allocator;
        private long highest;
        private long samples;

        Sampler(MlxBufferPool pool) {
            this.pool = pool;
            this.allocator = new PoolAllocator(pool);
        }

        void sample() {
            highest = Math.max(highest, pool.stats().footprintBytes());
            samples++;
        }

        @Override
        public MlxBuffer allocate(long bytes) {
            return allocator.allocate(bytes);
        }

        @Override
        public void release(MlxBuffer buffer) {
            allocator.release(buffer);
        }

        @Override
        public MemorySegment contents(MlxBuffer buffer) {
            return allocator.contents(buffer);
        }
    }
}
