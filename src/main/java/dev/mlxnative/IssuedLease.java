package dev.mlxnative;

import java.lang.foreign.Arena;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A lease as the pool knows it, without the buffer that its holder has.
 *
 * @param number the lease's, in its block
 * @param leaseArena the arena of the lease alone, where it has one
 */
record IssuedLease(Block block, long number, @Nullable Arena leaseArena, long requestedBytes)
        implements LeakDetector.Leases {
    /**
     * Ends the lease, and leaves its memory to the caller; false if it has ended before.
     *
     * @throws IllegalStateException if a native call uses a segment that ends with the lease
     */
    boolean tryEnd() {
        return Block.isLease(number) && Block.closeForGood(leaseArena) && endLease();
    }

    private boolean endLease() {
        Stripe stripe = block.stripe;
        return stripe != null && stripe.end(block, number, false) == Stripe.End.LEFT;
    }

    @Override
    public List<Block> end() {
        return tryEnd() ? List.of(block) : List.of();
    }

    @Override
    public void settle() {}

    @Override
    public boolean areOut() {
        return block.isLive(number);
    }

    @Override
    public boolean endWithReset() {
        return true;
    }

    @Override
    public String toString() {
        return "a buffer of " + requestedBytes + " bytes";
    }
}
