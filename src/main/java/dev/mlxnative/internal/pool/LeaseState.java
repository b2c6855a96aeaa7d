package dev.mlxnative.internal.pool;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * The state of a block's lease: a generation number, by which a lease ends exactly once.
 *
 * <p>The number counts the beginnings and ends of leases, so it is odd while the block is leased. A buffer knows the
 * generation of its lease. Ending a lease compares and increments the number, so it succeeds once, and never for a
 * buffer of an earlier generation.
 */
abstract class LeaseState extends Padding {
    private static final VarHandle GENERATION;

    static {
        try {
            GENERATION = MethodHandles.lookup().findVarHandle(LeaseState.class, "generation", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    @SuppressWarnings("unused") // through GENERATION
    private volatile long generation;

    /** Begins a lease and returns its generation. Only the owner calls this, while the block is not leased. */
    public final long issue() {
        long issued = (long) GENERATION.get(this) + 1;
        GENERATION.setRelease(this, issued);
        return issued;
    }

    /** Ends a lease; false if it has ended before, or the number belongs to no lease. */
    public final boolean end(long leaseGeneration) {
        return isLease(leaseGeneration) && GENERATION.compareAndSet(this, leaseGeneration, leaseGeneration + 1);
    }

    /** As {@link #end}, without an atomic operation. The caller holds the lock of the block's shard. */
    final boolean endExclusively(long leaseGeneration) {
        if (!isLease(leaseGeneration) || (long) GENERATION.get(this) != leaseGeneration) {
            return false;
        }
        GENERATION.setRelease(this, leaseGeneration + 1);
        return true;
    }

    /** The generation at this moment: odd while the block is leased. */
    public final long generation() {
        return generation;
    }

    /** Whether a generation is that of a lease. */
    public static boolean isLease(long generation) {
        return (generation & 1) == 1;
    }

    /** Whether the lease of this generation has not ended. */
    public final boolean isActive(long leaseGeneration) {
        return generation == leaseGeneration;
    }
}
