package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests the samples of traces. */
class WindowTest {

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2_047, 2_048})
    void aSampleOfAShortTraceIsTheWholeTrace(int requests) {
        Trace trace = oneAfterTheOther(requests);

        List<Window> sample = Window.sample(trace);

        assertThat(sample).hasSize(1);
        assertThat(sample.getFirst().from()).isZero();
        assertThat(sample.getFirst().to()).isEqualTo(trace.events());
        assertThat(sample.getFirst().requests()).isEqualTo(requests);
    }

    @ParameterizedTest
    @ValueSource(ints = {2_049, 2_050, 2_079, 2_080, 10_007})
    void aSampleIsSpreadEvenlyFromTheStartToTheEndOfALongTrace(int requests) {
        Trace trace = oneAfterTheOther(requests);

        List<Window> sample = Window.sample(trace);

        assertThat(sample).hasSize(32).allMatch(window -> window.requests() == 64);
        assertThat(sample.getFirst().from()).isZero();
        assertThat(sample.getLast().to()).isEqualTo(trace.events());
        double distance = (trace.events() - 2 * 64) / 31.0;
        for (int i = 1; i < sample.size(); i++) {
            assertThat(sample.get(i).from()).isCloseTo((int) Math.round(i * distance), within(2));
            assertThat(sample.get(i).from())
                    .isGreaterThanOrEqualTo(sample.get(i - 1).to());
        }
    }

    @Test
    void aWindowKnowsWhatIsLiveBeforeIt() {
        var trace = Trace.builder("overlapping");
        int kept = trace.allocate(7);
        int freed = trace.allocate(8);
        trace.free(freed, 8);
        for (int i = 0; i < 3_000; i++) {
            trace.free(trace.allocate(64), 64);
        }
        Window window = Window.sample(trace.build()).get(16);

        assertThat(window.liveBefore()).hasSize(2);
        assertThat(window.liveBefore()[kept]).isEqualTo(7);
        assertThat(window.liveBefore()[freed]).isZero();
    }

    @ParameterizedTest
    @MethodSource("dev.mlxnative.bench.replay.RecordedTracesTest#traces")
    void aPassThroughAWindowOfARecordedTraceHasTheBuffersThatTheTraceHasThere(Path file) throws IOException {
        Trace trace = TraceReader.read(file);
        for (Window window : Window.sample(trace)) {
            assertThat(window.requests()).isEqualTo(64);
            var live = new TreeMap<Integer, Long>();
            int event = 0;
            for (; event < window.from(); event++) {
                apply(trace, event, live);
            }
            var expected = new ArrayList<String>();
            live.values().forEach(bytes -> expected.add("+" + bytes));
            for (; event < window.to(); event++) {
                expected.add(apply(trace, event, live));
            }
            live.values().forEach(bytes -> expected.add("-" + bytes));

            var log = new Log();
            new Pass<>(window, log).time();

            assertThat(log.calls).isEqualTo(expected);
        }
    }

    /** Applies an event to the sizes of the live buffers by slot, and returns how {@link Log} shows it. */
    private static String apply(Trace trace, int event, TreeMap<Integer, Long> live) {
        if (trace.isAllocation(event)) {
            live.put(trace.slot(event), trace.size(event));
            return "+" + trace.size(event);
        }
        return "-" + live.remove(trace.slot(event));
    }

    /** Logs its calls. A buffer is its size, without memory. */
    private static final class Log implements Allocator<Long> {

        final List<String> calls = new ArrayList<>();

        @Override
        public Long allocate(long bytes) {
            calls.add("+" + bytes);
            return bytes;
        }

        @Override
        public void release(Long buffer) {
            calls.add("-" + buffer);
        }

        @Override
        public MemorySegment contents(Long buffer) {
            throw new UnsupportedOperationException("a buffer of the log has no contents");
        }
    }

    private static Trace oneAfterTheOther(int requests) {
        var trace = Trace.builder("one after the other");
        for (int i = 0; i < requests; i++) {
            trace.free(trace.allocate(64), 64);
        }
        return trace.build();
    }
}
