package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.bench.generate.GeneratedTrace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class OfflinePlannerTest {

    private static final long ALIGNMENT = OfflinePlanner.ALIGNMENT;

    @Test
    void needsNothingForATraceWithoutRequests() {
        assertThat(OfflinePlanner.plan(Trace.builder("empty").build()).bytes()).isZero();
    }

    @Test
    void alignsEachBuffer() {
        var trace = Trace.builder("small");
        trace.allocate(1);
        trace.allocate(257);
        OfflinePlanner.Plan plan = OfflinePlanner.plan(trace.build());
        assertThat(plan.offsets()).containsExactly(512, 0);
        assertThat(plan.bytes()).isEqualTo(768);
    }

    @Test
    void usesMemoryAgain() {
        var trace = Trace.builder("in turn");
        trace.free(trace.allocate(1024), 1024);
        trace.free(trace.allocate(4096), 4096);
        trace.allocate(2048);
        assertThat(OfflinePlanner.plan(trace.build()).bytes()).isEqualTo(4096);
    }

    /**
     * A pool that puts each buffer at the lowest place leaves a hole of 1 and another of 2, and needs 7 for the last.
     */
    @Test
    void leavesNoHolesWhereTheFutureShowsThem() {
        var trace = Trace.builder("holes");
        int first = trace.allocate(ALIGNMENT);
        trace.allocate(ALIGNMENT);
        int second = trace.allocate(2 * ALIGNMENT);
        trace.allocate(ALIGNMENT);
        trace.free(first, ALIGNMENT);
        trace.free(second, 2 * ALIGNMENT);
        trace.allocate(3 * ALIGNMENT);
        assertThat(OfflinePlanner.plan(trace.build()).bytes()).isEqualTo(5 * ALIGNMENT);
    }

    @Test
    void countsABufferAsLiveUpToTheEndThatIsNeverFreed() {
        var trace = Trace.builder("leaky");
        trace.allocate(ALIGNMENT);
        trace.free(trace.allocate(ALIGNMENT), ALIGNMENT);
        trace.allocate(ALIGNMENT);
        assertThat(OfflinePlanner.plan(trace.build()).bytes()).isEqualTo(2 * ALIGNMENT);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void placesRandomBuffersSoundly(long seed) {
        var random = new SplittableRandom(seed);
        var trace = Trace.builder("random");
        var live = new TreeMap<Integer, Long>();
        for (int i = 0; i < 2_000; i++) {
            if (live.isEmpty() || random.nextInt(100) < 52) {
                long size = 1 + random.nextInt(100_000);
                live.put(trace.allocate(size), size);
            } else {
                int slot = live.keySet().stream()
                        .skip(random.nextInt(live.size()))
                        .findFirst()
                        .orElseThrow();
                trace.free(slot, live.remove(slot));
            }
        }
        requireSound(trace.build());
    }

    @ParameterizedTest
    @MethodSource("dev.mlxnative.bench.replay.RecordedTracesTest#traces")
    void comesNearPeakLiveOnRecordedTraces(Path file) throws IOException {
        Trace trace = TraceReader.read(file);
        assertThat(requireSound(trace)).isLessThan(trace.peakLiveBytes() * 110 / 100);
    }

    @ParameterizedTest
    @EnumSource
    void comesNearPeakLiveOnGeneratedTraces(GeneratedTrace generated) {
        Trace trace = GeneratedTraces.of(generated);
        assertThat(requireSound(trace)).isLessThan(trace.peakLiveBytes() * 110 / 100);
    }

    /** Replays the plan: at no event may two live buffers share a byte. */
    private static long requireSound(Trace trace) {
        OfflinePlanner.Plan plan = OfflinePlanner.plan(trace);
        var ends = new TreeMap<Long, Long>();
        var startOfSlot = new long[trace.peakLiveCount()];
        int buffer = 0;
        for (int event = 0; event < trace.events(); event++) {
            int slot = trace.slot(event);
            if (!trace.isAllocation(event)) {
                ends.remove(startOfSlot[slot]);
                continue;
            }
            long start = plan.offsets()[buffer++];
            long end = start + trace.size(event);
            startOfSlot[slot] = start;
            var before = ends.lowerEntry(end);
            assertThat(before == null || before.getValue() <= start)
                    .as("request %d in [%d, %d) after %s", buffer, start, end, before)
                    .isTrue();
            ends.put(start, end);
            assertThat(end).isLessThanOrEqualTo(plan.bytes());
        }
        assertThat(Arrays.stream(plan.offsets())).allMatch(offset -> offset >= 0 && offset % ALIGNMENT == 0);
        assertThat(plan.bytes()).isGreaterThanOrEqualTo(trace.peakLiveBytes());
        return plan.bytes();
    }
}
