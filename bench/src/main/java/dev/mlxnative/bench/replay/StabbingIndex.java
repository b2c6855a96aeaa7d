package dev.mlxnative.bench.replay;

import java.util.Arrays;
import java.util.function.IntConsumer;

/**
 * A segment tree of intervals of events: finds those that contain an event.
 *
 * <p>The leaves are the events, and an interval is stored in the highest nodes whose leaves are all in it. Each
 * interval that contains an event is therefore in exactly one of the nodes from the event's leaf up to the root.
 */
final class StabbingIndex {

    private static final int NONE = -1;

    private final int leaves;

    /**
     * The last entry of each node; the root is node 1, and node {@code n} has the children {@code 2n} and {@code 2n +
     * 1}.
     */
    private final int[] lastEntries;

    private int[] items = new int[1024];
    private int[] previousEntries = new int[1024];
    private int entries;

    /** @param events the number of events that an interval may contain */
    StabbingIndex(int events) {
        leaves = Math.max(1, events);
        lastEntries = new int[2 * leaves];
        Arrays.fill(lastEntries, NONE);
    }

    /** Adds an item with the events from {@code start} up to, and without, {@code end}. */
    void add(int item, int start, int end) {
        int left = start + leaves;
        int right = end + leaves;
        while (left < right) {
            if (left % 2 == 1) {
                store(left++, item);
            }
            if (right % 2 == 1) {
                store(--right, item);
            }
            left /= 2;
            right /= 2;
        }
    }

    private void store(int node, int item) {
        if (entries == items.length) {
            items = Arrays.copyOf(items, 2 * entries);
            previousEntries = Arrays.copyOf(previousEntries, 2 * entries);
        }
        items[entries] = item;
        previousEntries[entries] = lastEntries[node];
        lastEntries[node] = entries++;
    }

    /** Passes on each item whose interval contains the event. */
    void forEachAt(int event, IntConsumer action) {
        for (int node = event + leaves; node > 0; node /= 2) {
            for (int entry = lastEntries[node]; entry != NONE; entry = previousEntries[entry]) {
                action.accept(items[entry]);
            }
        }
    }
}
