package dev.mlxnative.bench.replay;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Places all buffers of a trace in one arena, with the knowledge of the whole trace.
 *
 * <p>Its arena shows how little memory a pool could do with. The planner is greedy, as those of inference runtimes are:
 * it places one buffer after the other in the smallest gap between the placed buffers that are live at the same time.
 * The least arena is NP-hard to find; it has at least the peak live bytes.
 */
final class OfflinePlanner {

    /** The alignment of a buffer's start, as in a pool. */
    static final long ALIGNMENT = 256;

    private static final long UNPLACED = -1;

    /**
     * A placement.
     *
     * @param offsets the start of each buffer in the arena, in the order of the allocations
     * @param bytes the size of the arena
     */
    record Plan(long[] offsets, long bytes) {}

    private final Lifetimes lifetimes;
    private final long[] sizes;
    private final long[] offsets;
    private final StabbingIndex placed;
    private long arenaBytes;

    /** The starts and the ends of the placed buffers that are live at the same time as the next one. */
    private long[] starts = new long[64];

    private long[] ends = new long[64];
    private int neighbours;

    private OfflinePlanner(Lifetimes lifetimes) {
        this.lifetimes = lifetimes;
        sizes = Arrays.stream(lifetimes.sizes())
                .map(size -> Math.ceilDiv(size, ALIGNMENT) * ALIGNMENT)
                .toArray();
        offsets = new long[sizes.length];
        Arrays.fill(offsets, UNPLACED);
        placed = new StabbingIndex(lifetimes.buffers().length);
    }

    /** Plans with the buffers in the order of size, of lifetime and of both, and returns the smallest arena. */
    static Plan plan(Trace trace) {
        var lifetimes = Lifetimes.of(trace);
        List<ToDoubleFunction<Integer>> orders = List.of(
                buffer -> lifetimes.sizes()[buffer],
                lifetimes::length,
                buffer -> (double) lifetimes.sizes()[buffer] * lifetimes.length(buffer));
        return orders.stream()
                .map(order -> new OfflinePlanner(lifetimes).plan(order))
                .min(Comparator.comparingLong(Plan::bytes))
                .orElseThrow();
    }

    /** Places the buffers, those with the highest value of {@code order} first. */
    private Plan plan(ToDoubleFunction<Integer> order) {
        IntStream.range(0, sizes.length)
                .boxed()
                .sorted(Comparator.comparingDouble(order).reversed())
                .forEach(this::place);
        return new Plan(offsets, arenaBytes);
    }

    private void place(int buffer) {
        findNeighbours(buffer);
        offsets[buffer] = bestOffset(sizes[buffer]);
        arenaBytes = Math.max(arenaBytes, offsets[buffer] + sizes[buffer]);
        placed.add(buffer, lifetimes.starts()[buffer], lifetimes.ends()[buffer]);
    }

    /** Finds the placed buffers that are live when the buffer is allocated, or are allocated while it is live. */
    private void findNeighbours(int buffer) {
        neighbours = 0;
        placed.forEachAt(lifetimes.starts()[buffer], this::addNeighbour);
        for (int event = lifetimes.starts()[buffer]; event < lifetimes.ends()[buffer]; event++) {
            int other = lifetimes.buffers()[event];
            if (other >= 0 && offsets[other] != UNPLACED) {
                addNeighbour(other);
            }
        }
        Arrays.sort(starts, 0, neighbours);
        Arrays.sort(ends, 0, neighbours);
    }

    private void addNeighbour(int other) {
        if (neighbours == starts.length) {
            starts = Arrays.copyOf(starts, 2 * neighbours);
            ends = Arrays.copyOf(ends, 2 * neighbours);
        }
        starts[neighbours] = offsets[other];
        ends[neighbours++] = offsets[other] + sizes[other];
    }

    /**
     * The start of the smallest gap that is large enough, or the end of the last neighbour.
     *
     * <p>Neighbours may overlap each other. Between the {@code i} lowest ends and the next start is a gap if and only
     * if {@code i} neighbours start below it, so the sorted starts and ends tell all gaps.
     */
    private long bestOffset(long size) {
        long best = neighbours == 0 ? 0 : ends[neighbours - 1];
        long smallest = Long.MAX_VALUE;
        for (int i = 0; i < neighbours; i++) {
            long gapStart = i == 0 ? 0 : ends[i - 1];
            long gap = starts[i] - gapStart;
            if (gap >= size && gap < smallest) {
                smallest = gap;
                best = gapStart;
            }
        }
        return best;
    }
}
