package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;

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
    @ValueSource(ints = {0, 1, 16, 160})
    void aSampleOfATraceThatIsNoLongerIsTheWholeTrace(int requests) {
        Trace trace = oneAfterTheOther(requests);

        List<Window> sample = Window.sample(trace, 10);

        assertThat(sample).hasSize(1);
        assertThat(sample.getFirst().from()).isZero();
        assertThat(sample.getFirst().to()).isEqualTo(trace.events());
        assertThat(sample.getFirst().requests()).isEqualTo(requests);
    }

    @ParameterizedTest
    @ValueSource(ints = {161, 162, 175, 176, 1000, 4001})
    void aSampleIsSpreadEvenlyOverALongerTrace(int requests) {
        Trace trace = oneAfterTheOther(requests);

        List<Window> sample = Window.sample(trace, 10);

        assertThat(sample).hasSize(16).allMatch(window -> window.requests() == 10);
        for (int part = 0; part < 16; part++) {
            Window window = sample.get(part);
            double middle = (window.from() + window.to()) / 2.0;
            assertThat(Math.abs(middle - (part + 0.5) * trace.events() / 16)).isLessThanOrEqualTo(4);
            assertThat(window.from())
                    .isGreaterThanOrEqualTo(part == 0 ? 0 : sample.get(part - 1).to());
            assertThat(window.to()).isLessThanOrEqualTo(trace.events());
        }
    }

    @Test
    void aWindowKnowsWhatIsLiveBeforeIt() {
        var builder = Trace.builder("overlapping");
        int kept = builder.allocate(7);
        int freed = builder.allocate(8);
        builder.free(freed, 8);
        for (int i = 0; i < 16; i++) {
            builder.free(builder.allocate(100 + i), 100 + i);
        }
        Window window = Window.sample(builder.build(), 1).get(8);

        assertThat(window.liveBefore()).hasSize(2);
        assertThat(window.liveBefore()[kept]).isEqualTo(7);
        assertThat(window.liveBefore()[freed]).isZero();
    }

    @ParameterizedTest
    @MethodSource("dev.mlxnative.bench.replay.RecordedTracesTest#traces")
    void aPassThroughAWindowOfARecordedTraceHasTheBuffersThatTheTraceHasThere(Path file) throws IOException {
        Trace trace = TraceReader.read(file);
        for (Window window : Window.sample(trace, 256)) {
            assertThat(window.requests()).isEqualTo(256);
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
