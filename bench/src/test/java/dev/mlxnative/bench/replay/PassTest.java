package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class PassTest {

    @Test
    void findsNoOverlapWhereThereIsNone() {
        var done = new AtomicInteger();

        assertThat(new Pass<>(trace(100, 7, 4096), new Sound()).countOverlaps(done::incrementAndGet))
                .isZero();
        assertThat(done).hasValue(3);
    }

    @Test
    void findsTwoLeasesOfTheSameMemory() {
        assertThat(new Pass<>(trace(100, 100), new Strided(0)).countOverlaps(() -> {}))
                .isEqualTo(1);
    }

    @Test
    void findsLeasesThatShareNothingButTheLastByte() {
        assertThat(new Pass<>(trace(100, 100), new Strided(99)).countOverlaps(() -> {}))
                .isEqualTo(1);
        assertThat(new Pass<>(trace(100, 100), new Strided(100)).countOverlaps(() -> {}))
                .isZero();
    }

    /** The stamps of a large buffer cover its ends only. */
    @Test
    void findsALeaseInTheMiddleOfALargeOne() {
        assertThat(new Pass<>(trace(1 << 20, 100), new Strided(1 << 19)).countOverlaps(() -> {}))
                .isEqualTo(1);
        assertThat(new Pass<>(trace(100, 1 << 20), new Strided(100)).countOverlaps(() -> {}))
                .isZero();
    }

    /** Two addresses of the same memory. */
    @Test
    void findsALeaseThatAnotherOneAlters() {
        var altering = new Sound() {
            private MemorySegment first = MemorySegment.NULL;

            @Override
            public MemorySegment allocate(long bytes) {
                first.fill((byte) 1);
                first = super.allocate(bytes);
                return first;
            }
        };

        assertThat(new Pass<>(trace(1 << 20, 100), altering).countOverlaps(() -> {}))
                .isEqualTo(1);
    }

    @Test
    void findsOverlapsOfBuffersThatTheTraceNeverFrees() {
        var trace = Trace.builder("leaky");
        trace.allocate(5);
        trace.allocate(5);
        trace.allocate(5);

        assertThat(new Pass<>(trace.build(), new Strided(2)).countOverlaps(() -> {}))
                .isEqualTo(2);
    }

    @Test
    void acceptsTheSameMemoryForOneLeaseAfterTheOther() {
        var trace = Trace.builder("in turn");
        trace.free(trace.allocate(64), 64);
        trace.free(trace.allocate(64), 64);

        assertThat(new Pass<>(trace.build(), new Strided(0)).countOverlaps(() -> {}))
                .isZero();
    }

    @Test
    void refusesASegmentOfAnotherLengthThanAskedFor() {
        var generous = new Sound() {
            @Override
            public MemorySegment allocate(long bytes) {
                return super.allocate(bytes + 1);
            }
        };

        assertThatThrownBy(() -> new Pass<>(trace(100), generous).countOverlaps(() -> {}))
                .hasMessage("a request of 100 bytes got a segment of 101");
    }

    @Test
    void releasesWhatItAllocatedInTheTracesOrderAndTheRestAtTheEnd() {
        var trace = Trace.builder("leaky");
        int first = trace.allocate(1);
        trace.allocate(2);
        trace.free(first, 1);
        trace.allocate(3);

        for (boolean checked : new boolean[] {true, false}) {
            var allocator = new Sound();
            var pass = new Pass<>(trace.build(), allocator);
            if (checked) {
                pass.countOverlaps(() -> {});
            } else {
                assertThat(pass.time()).isPositive();
            }
            assertThat(allocator.log).startsWith("+1", "+2", "-1", "+3").endsWith("-3", "-2");
        }
    }

    @Test
    void startsAWindowWithTheBuffersThatAreLiveThere() {
        for (boolean checked : new boolean[] {true, false}) {
            var allocator = new Sound();
            var done = new AtomicInteger();
            var pass = new Pass<>(innerWindow(), allocator);
            if (checked) {
                assertThat(pass.countOverlaps(done::incrementAndGet)).isZero();
                assertThat(done).hasValue(2);
            } else {
                assertThat(pass.time()).isPositive();
            }
            assertThat(allocator.log).containsExactly("+500", "+2", "-2", "+3", "-500", "-3");
        }
    }

    @Test
    void findsOverlapsWithTheBuffersThatAreLiveBeforeAWindow() {
        assertThat(new Pass<>(innerWindow(), new Strided(499)).countOverlaps(() -> {}))
                .isEqualTo(1);
        assertThat(new Pass<>(innerWindow(), new Strided(500)).countOverlaps(() -> {}))
                .isZero();
    }

    /** A window of two requests, before which a buffer of 500 bytes is live. */
    private static Window innerWindow() {
        var trace = Trace.builder("inner");
        trace.allocate(500);
        for (int size = 1; size <= 4; size++) {
            trace.free(trace.allocate(size), size);
        }
        return new Window(trace.build(), 3, 6, new long[] {500, 0});
    }

    @Test
    void leavesContentsAloneWhileItIsTimed() {
        var untouchable = new Sound() {
            @Override
            public MemorySegment contents(MemorySegment buffer) {
                throw new AssertionError("contents touched");
            }
        };

        assertThat(new Pass<>(trace(1, 2, 3), untouchable).time()).isPositive();
    }

    /**
     * A trace with buffers of the given sizes, which are all live at once and freed in the order of their allocation.
     */
    private static Trace trace(long... sizes) {
        var trace = Trace.builder("test");
        var slots = new int[sizes.length];
        for (int i = 0; i < sizes.length; i++) {
            slots[i] = trace.allocate(sizes[i]);
        }
        for (int i = 0; i < sizes.length; i++) {
            trace.free(slots[i], sizes[i]);
        }
        return trace.build();
    }

    /** A correct allocator, which logs its calls. */
    private static class Sound implements Allocator<MemorySegment> {

        final List<String> log = new ArrayList<>();

        @Override
        public MemorySegment allocate(long bytes) {
            log.add("+" + bytes);
            return Arena.ofAuto().allocate(bytes);
        }

        @Override
        public void release(MemorySegment buffer) {
            log.add("-" + buffer.byteSize());
        }

        @Override
        public MemorySegment contents(MemorySegment buffer) {
            return buffer;
        }
    }

    /**
     * A defective allocator: every buffer starts a fixed distance after the previous one, for any length of that one.
     */
    private static final class Strided implements Allocator<MemorySegment> {

        private final MemorySegment memory = Arena.ofAuto().allocate(2 << 20);
        private final long stride;
        private long next;

        Strided(long stride) {
            this.stride = stride;
        }

        @Override
        public MemorySegment allocate(long bytes) {
            MemorySegment buffer = memory.asSlice(next, bytes);
            next += stride;
            return buffer;
        }

        @Override
        public void release(MemorySegment buffer) {}

        @Override
        public MemorySegment contents(MemorySegment buffer) {
            return buffer;
        }
    }
}
