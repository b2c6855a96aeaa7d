package dev.mlxnative.internal.pool;

import org.jspecify.annotations.Nullable;

/**
 * A queue of blocks that are linked through {@link Block#next}: adding one allocates nothing, so it cannot fail. A
 * block is in at most one such list, and then in no list of the free space. Not thread-safe.
 */
final class BlockList {
    private @Nullable Block first;
    private @Nullable Block last;
    private int count;

    /** Appends a block that is in no list. */
    void add(Block block) {
        if (last == null) {
            first = block;
        } else {
            last.next = block;
        }
        last = block;
        count++;
    }

    /** Removes the first block and returns it; null if there is none. */
    @Nullable
    Block poll() {
        Block block = first;
        if (block != null) {
            first = block.next;
            block.next = null;
            if (first == null) {
                last = null;
            }
            count--;
        }
        return block;
    }

    /** Removes all blocks and returns the first, from which {@link Block#next} leads to the others; null if none. */
    @Nullable
    Block takeAll() {
        Block chain = first;
        first = null;
        last = null;
        count = 0;
        return chain;
    }

    boolean isEmpty() {
        return first == null;
    }

    /** Blocks of the list. */
    int count() {
        return count;
    }

    /** A chain of the blocks of two chains, in time for the first one's length. */
    static @Nullable Block concatenate(@Nullable Block one, @Nullable Block other) {
        if (one == null) {
            return other;
        }
        Block last = one;
        for (Block next = last.next; next != null; next = last.next) {
            last = next;
        }
        last.next = other;
        return one;
    }

    /** Merges two chains that are in the order of {@link Block#freedAt}. */
    static @Nullable Block mergeByAge(@Nullable Block one, @Nullable Block other) {
        if (one == null || other == null) {
            return one == null ? other : one;
        }
        boolean isOneFirst = one.freedAt < other.freedAt;
        Block first = isOneFirst ? one : other;
        Block last = first;
        Block chain = first.next;
        Block rest = isOneFirst ? other : one;
        while (chain != null) {
            if (rest.freedAt < chain.freedAt) {
                Block swapped = chain;
                chain = rest;
                rest = swapped;
            }
            last.next = chain;
            last = chain;
            chain = chain.next;
        }
        last.next = rest;
        return first;
    }
}
