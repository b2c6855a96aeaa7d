package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.bench.cli.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tests a replay on the real device and pool. */
class ReplayerTest {

    private final MlxDevice device = MlxDevice.open();
    private final List<MlxBuffer> held = new ArrayList<>();

    @AfterEach
    void close() {
        held.forEach(MlxBuffer::close);
        device.close();
    }

    @Test
    void findsNoFaultEvenIfTheTraceNeverFrees() {
        var trace = Trace.builder("leaky");
        trace.allocate(100);
        trace.allocate(70_001);

        ReplayResult result = new Replayer(device, List.of(Policy.POWER_OF_TWO), true)
                .replay(trace.build(), new Watcher(done -> {}))
                .getFirst();

        assertThat(result.leaks()).isZero();
        assertThat(result.overlaps()).isZero();
        assertThat(result.nativeAllocations()).isEqualTo(2);
        assertThat(result.hits()).isZero();
    }

    @Test
    void countsALeakIfTheDeviceHoldsMoreThanBefore() {
        Trace trace = oneBuffer();

        List<ReplayResult> results = new Replayer(device, List.of(Policy.values()), true)
                .replay(trace, new Watcher(done -> {
                    if (done == 1) {
                        held.add(device.allocBuffer(4096, DType.U8, 4096));
                    }
                }));

        assertThat(results).extracting(ReplayResult::leaks).containsExactly(1L, 1L, 1L);
    }

    @Test
    void reportsAsMuchProgressAsItAnnounced() {
        Trace trace = oneBuffer();
        var done = new ArrayList<Long>();

        var replayer = new Replayer(device, List.of(Policy.values()), true);
        replayer.replay(trace, new Watcher(done::add));

        assertThat(done).last().isEqualTo(replayer.progressOf(trace));
    }

    private static Trace oneBuffer() {
        var trace = Trace.builder("one");
        trace.free(trace.allocate(100), 100);
        return trace.build();
    }

    /** Passes on the number of requests done so far. */
    private static final class Watcher implements Progress {

        private final LongConsumer done;
        private long count;

        Watcher(LongConsumer done) {
            this.done = done;
        }

        @Override
        public void trace(String name) {}

        @Override
        public void requestsDone(long more) {
            count += more;
            done.accept(count);
        }

        @Override
        public void close() {}
    }
}
