package dev.mlxnative.internal.pool;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.MlxFence;
import dev.mlxnative.PoolStats;
import dev.mlxnative.Sizing;
import dev.mlxnative.Zeroing;
import dev.mlxnative.internal.background.DaemonTimer;
import dev.mlxnative.internal.background.Log;
import dev.mlxnative.internal.background.StackReserve;
import dev.mlxnative.internal.device.GpuUse;
import dev.mlxnative.internal.device.MemorySource;
import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.observe.JfrEvents;
import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandles;
import java.lang.ref.Cleaner;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A pool without its API: wires the parts together and has the path of a hit. Nothing here is mutable. */
public final class PoolEngine {
    private final PoolConfig config;
    private final MemorySource source;
    private final Shards shards = new Shards();
    private final PoolState state;
    private final PoolObserver observer;
    private final Retirement retirement;
    private final LeaseStart leaseStart;
    private final Reclaimer reclaimer;
    private final FenceReaper reaper;
    private final IdleTrimmer idleTrimmer;
    private final Acquisition.Tools tools;
    private final LeakDetector leaks;
    private final boolean checked;
    /** Whether the start of every lease must be prepared, for the allocation log or to clear the memory. */
    private final boolean preparesAll;

    /** @throws java.io.UncheckedIOException if the file of the allocation log cannot be created */
    public PoolEngine(PoolConfig config) {
        initializeClasses();
        this.config = config;
        checked = config.checked();
        source = config.source();
        observer = new PoolObserver(config);
        preparesAll = config.zeroing() == Zeroing.ALWAYS || observer.isLogging();
        state = new PoolState(config, shards);
        var maintenance = new MaintenanceTransactions(state);
        reclaimer = new Reclaimer(source, maintenance, observer, new BackgroundMaintenance(), DaemonTimer.shared());
        retirement = new Retirement(config.checked(), shards, new ReleaseTransactions(state), observer, reclaimer);
        leaseStart = new LeaseStart(config.zeroing(), observer, retirement);
        AllocationTransactions allocations = new AllocationTransactions(state);
        reaper = new FenceReaper(state, retirement);
        idleTrimmer = new IdleTrimmer(config.name(), maintenance, reaper, reclaimer, DaemonTimer.shared());
        Reuse reuse = new Reuse(config.zeroing(), allocations, reclaimer, observer);
        tools = new Acquisition.Tools(
                config.name(), source, allocations, reuse, reaper, reclaimer, observer, leaseStart);
        leaks = new LeakDetector(config.leakDetection(), new LeakEnd(config.name(), retirement));
    }

    /** Initialises what an operation would first use after its first change: failing there, a class stays unusable. */
    private static void initializeClasses() {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            lookup.ensureInitialized(Block.class);
            lookup.ensureInitialized(LeaseEnd.class);
            lookup.ensureInitialized(DenialCause.class);
            lookup.ensureInitialized(AllocationTransactions.Wait.class);
        } catch (IllegalAccessException e) {
            throw new AssertionError("the classes are in this package", e);
        }
    }

    /** Passes maintenance on to the parts that are above the reclaimer. */
    private final class BackgroundMaintenance implements Reclaimer.Maintenance {
        @Override
        public void schedule(long ticket, long delayNanos) {
            idleTrimmer.schedule(ticket, delayNanos);
        }

        @Override
        public void watchFences() {
            reaper.watchOldest();
        }
    }

    /** Whether the memory is of this device. */
    public boolean isOf(NativeDevice device) {
        return source.isOf(device);
    }

    /** The pool's name in logs, events and management. */
    public String name() {
        return config.name();
    }

    /** Whether released memory is filled, and leases have arenas of their own. */
    public boolean isChecked() {
        return checked;
    }

    /** The bytes to request for a range of this size and alignment within the lease; negative if they are too many. */
    public long bytesFor(long byteSize, long byteAlignment) {
        if (byteAlignment <= source.traits().offsetAlignment()) {
            return byteSize;
        }
        boolean isNatural = config.sizing() == Sizing.POWER_OF_TWO
                && byteAlignment <= source.traits().pageSize();
        // A block of a bucket below a page starts at a multiple of the bucket, any other on a page.
        return isNatural ? Math.max(byteSize, byteAlignment) : byteSize + byteAlignment;
    }

    /**
     * Leases a block. The caller issues the lease, or calls {@link #abandon}.
     *
     * @param byteLength from 1 to the device's largest buffer; the caller has checked it
     * @param leaseArena the arena of this lease alone; null for none
     * @param resettable whether a reset ends the lease
     * @throws BufferAllocationException if there is no memory
     * @throws IllegalStateException if the pool or its device is closed
     */
    public Block acquire(long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        StackReserve.require();
        source.requireOpen();
        Shard shard = shards.ofThread();
        Block block = reuse(shard, byteLength, leaseArena, resettable);
        if (block == null) {
            return new Acquisition(tools, shard, byteLength, leaseArena, resettable).run();
        }
        if (preparesAll || JfrEvents.recordsLeases()) {
            leaseStart.prepare(block, true);
        }
        return block;
    }

    /**
     * Leases a block that only commands of the GPU are to use, and no reset ends. It may be memory that the GPU still
     * uses, if the commands of {@code later} run after those that do.
     *
     * @param own whether memory serves that {@code later} itself used
     * @throws BufferAllocationException if there is no memory
     * @throws IllegalStateException if the pool or its device is closed
     */
    public Block acquireInOrder(long byteLength, GpuUse later, boolean own) {
        StackReserve.require();
        source.requireOpen();
        // The CPU fills memory of a checked pool after its lease, and clears that of others before the next one.
        boolean mayBeInFlight = !checked && config.zeroing() != Zeroing.ALWAYS;
        Block block =
                mayBeInFlight ? tools.allocations().reuseInOrder(shards.ofThread(), byteLength, later, own) : null;
        if (block == null) {
            return acquire(byteLength, null, false);
        }
        leaseStart.prepare(block, true);
        return block;
    }

    private @Nullable Block reuse(Shard shard, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        long capacity = state.cachedCapacity(byteLength);
        boolean mayBeCached = capacity != SizeRounding.NONE;
        Block block = mayBeCached ? shard.leaseCached(capacity, byteLength, leaseArena, resettable) : null;
        return block != null ? block : tools.reuse().lease(shard, byteLength, leaseArena, resettable);
    }

    /** Takes back a block whose lease could not be issued. */
    public void abandon(Block block) {
        retirement.retire(block, null);
    }

    /**
     * Ends a lease; its memory becomes free, or is parked with the fence. False if the lease had ended before.
     *
     * @throws IllegalStateException if a native call uses a segment of {@code leaseArena}, or the event of the fence is
     *     closed and unused; nothing has happened then
     */
    public boolean end(@Nullable Arena leaseArena, Block block, long generation, @Nullable MlxFence fence) {
        StackReserve.require();
        if (fence == null) {
            return Block.closeLeaseArena(leaseArena) && retirement.end(block, generation, null);
        }
        try (FenceUse use = new FenceUse(fence, state.pending)) {
            return Block.closeLeaseArena(leaseArena) && retirement.end(block, generation, use.pending());
        }
    }

    /**
     * Ends every lease outside scopes; their memory becomes free, or is parked with the fence.
     *
     * @throws IllegalStateException in a checked pool, if a native call uses a buffer; all others are released
     */
    public void reset(@Nullable MlxFence fence) {
        StackReserve.require();
        if (fence == null) {
            resetAndPark(null);
            return;
        }
        try (FenceUse use = new FenceUse(fence, state.pending)) {
            resetAndPark(use.pending());
        }
    }

    private void resetAndPark(@Nullable MlxFence pending) {
        leaks.expectReset(!state.isClosed());
        IllegalStateException inUse = null;
        if (checked) {
            inUse = retirement.endResettableOneByOne(pending);
        } else {
            retirement.endResettable(pending);
        }
        leaks.resetDone();
        if (inUse != null) {
            throw inUse;
        }
    }

    /** The leases of a new scope. */
    public ScopeLeases newScopeLeases() {
        return new ScopeLeases(retirement, reaper);
    }

    /** Finds leases and scopes that the program has dropped. */
    public LeakDetector leaks() {
        return leaks;
    }

    /** Has a sample of the leases watched until their holder is unreachable. Called once for each lease. */
    public void watchSample(
            Object holder, Block block, long generation, @Nullable Arena leaseArena, long requestedBytes) {
        if (leaks.samples()) {
            block.watch = leaks.watch(holder, new LeaseRef(block, generation, leaseArena, requestedBytes));
        }
    }

    /**
     * Has a sample of the scopes watched until their holder is unreachable; null if this one is not. The caller cleans
     * the result when the scope has ended.
     */
    public Cleaner.@Nullable Cleanable watchSample(Object holder, ScopeLeases leases) {
        return leaks.samples() ? leaks.watch(holder, leases) : null;
    }

    /** Leases that the leak detector has ended. */
    public long leakedCount() {
        StackReserve.require();
        return state.leakedCount();
    }

    /** Frees free memory until at most this many bytes are left; returns the bytes that were freed. */
    public long trim(long maxFreeBytes) {
        StackReserve.require();
        reaper.reap();
        return reclaimer.trim(maxFreeBytes, TrimCause.REQUESTED);
    }

    /** The settings that may change, as they are. */
    public LimitSettings limits() {
        return state.limits();
    }

    /**
     * Changes these settings; free memory that they no longer allow is freed before this returns.
     *
     * @param restartIdleTime whether free memory counts as used at this moment
     */
    public void adjust(UnaryOperator<LimitSettings> change, boolean restartIdleTime) {
        StackReserve.require();
        reaper.reap();
        state.adjust(change, restartIdleTime);
        idleTrimmer.cancelIfVoid();
        reclaimer.run();
    }

    /** The pool's figures, after completed fences were reaped and free ranges of chunks were coalesced. */
    public PoolStats stats() {
        StackReserve.require();
        reaper.reap();
        state.coalesce();
        reclaimer.run();
        return snapshot();
    }

    /** The pool's figures, without any effect. */
    public PoolStats snapshot() {
        StackReserve.require();
        return state.snapshot(source.allocatedBytes());
    }

    /** Throws {@link IllegalStateException} if the pool is closed. */
    public void requireOpen() {
        state.requireOpen();
    }

    /** Frees all free memory and stops leasing; logs the leases that are active. A second call does nothing. */
    public void close() {
        StackReserve.require();
        if (!state.close()) {
            return;
        }
        idleTrimmer.cancelIfVoid();
        try {
            observer.close();
        } finally {
            finishClosing();
        }
    }

    private void finishClosing() {
        try {
            reclaimer.run();
            reaper.reap();
            reaper.watchOldest();
            PoolStats stats = snapshot();
            if (stats.activeCount() > 0) {
                warnOfActiveLeases(stats);
            }
        } finally {
            leaks.expectReset(false);
        }
    }

    private void warnOfActiveLeases(PoolStats stats) {
        Log.warn(
                "pool {0} was closed with {1} active buffer(s) of {2} bytes; they are freed when they are closed",
                config.name(), stats.activeCount(), stats.activeBytes());
        leaks.forEachActive((leases, origin) ->
                Log.warn("still active when pool " + config.name() + " was closed: " + leases, origin));
    }
}
