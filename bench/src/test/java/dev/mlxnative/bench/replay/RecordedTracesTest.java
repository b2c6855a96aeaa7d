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
import java.util.HashMap;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
            assertThat(traces).hasSizeGreaterThanOrEqualTo(5);
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

    /** Fails if a change of the library raises the footprint or lowers the hit rate. */
    @ParameterizedTest
    @CsvSource({
        "gpt2-medium-prefill128-decode64.csv.gz, 2.22, 0.996",
        "llama-3.2-1b-prefill512-decode48.csv.gz, 2.05, 0.996",
        "minilm-l6-sentences.csv.gz, 1.46, 0.978",
        "moe-8x-prefill256-decode32.csv.gz, 2.04, 0.994",
        "vit-base-images.csv.gz, 3.86, 0.994"
    })
    void aPoolWithDefaultSettingsStaysWithinTheKnownFigures(String name, double footprintOverLive, double hitRate)
            throws IOException {
        Trace trace = TraceReader.read(Path.of("bench", "traces", name));
        try (var pool = MlxBufferPool.create(device)) {
            new Pass<>(trace, new PoolAllocator(pool)).time();
            PoolStats stats = pool.stats();
            assertThat((double) stats.peakFootprintBytes() / trace.peakLiveBytes())
                    .isLessThan(footprintOverLive);
            assertThat(stats.hitRate()).isGreaterThan(hitRate);
        }
    }

    @ParameterizedTest
    @MethodSource("traces")
    void aPoolWithDefaultSettingsHoldsAtMostWhatPlainPowersOfTwoHold(Path file) throws IOException {
        Trace trace = TraceReader.read(file);
        try (var pool = MlxBufferPool.create(device)) {
            new Pass<>(trace, new PoolAllocator(pool)).time();
            assertThat(pool.stats().peakFootprintBytes()).isLessThanOrEqualTo(plainBytes(trace) * 102 / 100);
        }
    }

    /** The bytes of a pool with a free list for each power of two, at least 4 KiB, that frees nothing. */
    private static long plainBytes(Trace trace) {
        var live = new int[Long.SIZE];
        var peak = new int[Long.SIZE];
        var classes = new HashMap<Integer, Integer>();
        for (int event = 0; event < trace.events(); event++) {
            if (trace.isAllocation(event)) {
                long bytes = Math.max(trace.size(event), 4096);
                int index = Long.SIZE - Long.numberOfLeadingZeros(bytes - 1);
                classes.put(trace.slot(event), index);
                live[index]++;
                peak[index] = Math.max(peak[index], live[index]);
            } else {
                live[classes.remove(trace.slot(event))]--;
            }
        }
        return IntStream.range(0, Long.SIZE)
                .mapToLong(index -> ((long) peak[index]) << index)
                .sum();
    }

    @ParameterizedTest
    @MethodSource("traces")
    void aCompactPoolHoldsAtMost115PercentOfPeakLive(Path file) throws IOException {
        Trace trace = TraceReader.read(file);
        try (var pool = MlxBufferPool.builder(device).sizing(Sizing.COMPACT).build()) {
            var sampler = new Sampler(pool);
            long overlaps = new Pass<>(trace, sampler).countOverlaps(sampler::sample);
            PoolStats stats = pool.stats();
            assertThat(overlaps).isZero();
            assertThat(stats.peakFootprintBytes())
                    .isBetween(trace.peakLiveBytes(), trace.peakLiveBytes() * 115 / 100)
                    .isEqualTo(sampler.highest);
            assertThat(stats.hitRate()).isGreaterThan(0.998);
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
