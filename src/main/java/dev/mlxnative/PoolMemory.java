package dev.mlxnative;

import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.ref.Cleaner;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The native buffers of a pool: which are leased, free, parked or on their way back to the device, and how more are had
 * when none of the free ones fits.
 *
 * <p>The lock is held for field accesses alone: never while the driver is called, memory is touched, or code of others
 * runs.
 */
final class PoolMemory {
    private static final System.Logger LOG = System.getLogger("dev.mlxnative");

    /** What a checked pool fills released memory with: neither zero nor text, and a strange number in every format. */
    private static final byte RELEASED = (byte) 0xA5;

    /** Of the memory limit, unless there is a cache limit: a step's worth even for large models. */
    private static final int CACHED_PART = 8;

    /** Of the cache limit, what the stripes may keep; what one cannot keep any more goes to the free lists. */
    private static final int KEPT_PART = 2;

    /** How many leases of a scope end while other threads wait for the stripe: some hundred nanoseconds. */
    private static final int AT_A_TIME = 64;

    /** A thread each: a GPU completes its work in order but for a few queues. */
    private static final int MOST_WATCHERS = 8;

    /** How often a waiting request asks for the fences that no thread watches. */
    private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    /** How often somebody looks at what is parked in a closed pool. */
    private static final long CLOSED_POLL_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** Giving memory back takes microseconds, unless a native call is using it. */
    private static final long LEAVING_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** No buffer has this capacity. */
    private static final long NOT_ADMITTED = 0;

    private final String name;
    private final MlxDevice device;
    private final Zeroing zeroing;
    private final boolean checked;
    private final @Nullable MlxResidencySet residencySet;
    private final @Nullable TraceWriter trace;

    private final Stripes stripes = new Stripes();

    private volatile Buckets buckets;
    /** Whether no request is rounded to a power of two any more. Written with the lock held. */
    private volatile boolean tight;

    private volatile long waitNanos;

    private final ReentrantLock lock = new ReentrantLock();
    /** Signalled with each change that could help a request. */
    private final Condition changed = lock.newCondition();

    /* Guarded by the lock. */
    private final FreeMemory free;
    private final PoolBooks books = new PoolBooks();
    private final Budget budget;
    private final Parked parked = new Parked();
    /** The capacity of all that the stripes have: what is leased, and what they keep. */
    private long lentBytes;
    /** The requests that want all free memory in the free lists, so that the stripes keep none. */
    private int needy;

    private boolean stripesOpen;

    private boolean closed;
    private long changes;
    /** The requests that wait for a change, and the threads that watch fences for them or for a closed pool. */
    private int waiting;

    private int watchers;
    private long idleNanos;
    /** The sweep of idle memory that is due; 0 if none is. */
    private long sweep;

    private long sweepsSoFar;
    /** The last filing that had happened when the sweep was planned. */
    private long sweepFiling;

    PoolMemory(MlxBufferPool.Builder settings) {
        name = settings.name;
        device = settings.device;
        zeroing = settings.zeroing;
        checked = settings.checked;
        residencySet = settings.residencySet;
        free = switch (settings.sizing) {
            case POWER_OF_TWO -> new FreeLists();
            case COMPACT -> new Slabs();
        };
        buckets = new Buckets(
                settings.minBucketBytes,
                settings.roundToPagesAbove,
                device.pageSize(),
                device.info().maxBufferLength());
        long cacheLimit = settings.cacheLimit == null ? settings.memoryLimit / CACHED_PART : settings.cacheLimit;
        budget = new Budget(settings.memoryLimit, cacheLimit, settings.bufferLimit);
        waitNanos = settings.waitNanos;
        idleNanos = settings.idleNanos;
        trace = settings.trace == null ? null : new TraceWriter(settings.trace);
        openStripes();
    }

    /** A request that no free memory serves, on its way through everything else. */
    private static final class Request {
        private final Stripe stripe;
        private final long byteLength;
        private final @Nullable Arena leaseArena;
        private final boolean resettable;
        private final long start = System.nanoTime();
        /** The capacity that a new buffer for it should have, and the smallest that it can have. */
        private long capacity;

        private long leastCapacity;
        /** What the device said when it was asked last, if that was the last thing that happened. */
        private @Nullable BufferAllocationException refusal;

        private boolean lastTry;
        private boolean waited;
        private boolean interrupted;

        private Request(Stripe stripe, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
            this.stripe = stripe;
            this.byteLength = byteLength;
            this.leaseArena = leaseArena;
            this.resettable = resettable;
        }
    }

    /**
     * Memory for a lease, which the caller issues, or brings back by {@link #retireAll}.
     *
     * @param leaseArena the arena of that lease alone, where it has one
     * @param resettable whether a reset is to end the lease
     * @throws BufferAllocationException if there is none
     * @throws IllegalStateException if the pool or its device is closed
     */
    Block take(long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        device.requireOpen();
        Stripe stripe = stripes.ofThread();
        Block block = takeKept(stripe, byteLength, leaseArena, resettable);
        if (block == null) {
            block = reuse(stripe, byteLength, leaseArena, resettable);
        }
        return block != null ? block : demand(new Request(stripe, byteLength, leaseArena, resettable));
    }

    private @Nullable Block takeKept(Stripe stripe, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        long capacity = free.capacityKept(buckets, byteLength, tight);
        if (capacity == FreeMemory.NOTHING) {
            return null;
        }
        Block block = stripe.take(capacity, byteLength, leaseArena, resettable);
        if (block != null) {
            handOut(block, true);
        }
        return block;
    }

    private Block demand(Request request) {
        boolean isNeedy = false;
        try {
            while (true) {
                long before = locked(() -> changes);
                reap();
                Block block = reuse(request.stripe, request.byteLength, request.leaseArena, request.resettable);
                if (block == null) {
                    block = grow(request);
                }
                if (block != null) {
                    return block;
                }
                if (!isNeedy) {
                    isNeedy = true;
                    beginNeed();
                } else if (!awaitChange(request, before)) {
                    throw refused(request);
                }
            }
        } finally {
            if (isNeedy) {
                endNeed();
            }
        }
    }

    /** Has all free memory where the request can see it, and every release wake it up. */
    private void beginNeed() {
        lock.lock();
        try {
            needy++;
            closeStripes();
        } finally {
            lock.unlock();
        }
    }

    private void endNeed() {
        lock.lock();
        try {
            needy--;
            openStripes();
        } finally {
            lock.unlock();
        }
    }

    /**
     * With the lock held: lets the stripes keep memory, unless somebody needs it, the cache is nearly full, or no sweep
     * would find what nobody touches.
     */
    private void openStripes() {
        long reserve = budget.cacheLimit() / KEPT_PART;
        boolean isWelcome = !closed && needy == 0 && !budget.isExceeded();
        boolean isWatched = sweep != 0 || sweepNanos() == 0;
        if (!stripesOpen && isWelcome && isWatched && free.bytes() <= budget.cacheLimit() - reserve) {
            stripesOpen = true;
            stripes.open(reserve / stripes.count());
        }
    }

    /** With the lock held: brings what the stripes keep into the free lists, and has them keep no more. */
    private void closeStripes() {
        if (stripesOpen) {
            stripesOpen = false;
            stripes.close(this::takeIn);
        }
    }

    /** With the lock held: what the stripes kept, and let go. */
    private void takeIn(List<Block> kept) {
        for (Block block : kept) {
            lend(-block.capacity());
            free.add(block, false);
        }
    }

    /** With the lock held. */
    private void lend(long bytes) {
        lentBytes += bytes;
        boolean isTight = budget.isTight(lentBytes);
        if (isTight != tight) {
            tight = isTight;
        }
    }

    private @Nullable Block reuse(Stripe stripe, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        Buckets sizes = buckets;
        Block block;
        lock.lock();
        try {
            requireOpen();
            stripe.makeRoom();
            boolean tight = isTight(sizes.capacity(byteLength));
            if (tight) {
                // What the stripes keep was counted as leased.
                stripes.giveAll(this::takeIn);
                tight = isTight(sizes.capacity(byteLength));
            }
            block = free.take(sizes, byteLength, tight);
            if (block == null) {
                block = takeFromAny(free.capacityKept(sizes, byteLength, tight));
            }
            if (block == null) {
                return null;
            }
            lease(block, stripe, byteLength, leaseArena, resettable, true);
        } finally {
            lock.unlock();
        }
        handOut(block, true);
        return block;
    }

    /** With the lock held: what other threads have left in their stripes. */
    private @Nullable Block takeFromAny(long capacity) {
        Block block = null;
        for (int i = 0; i < stripes.count() && block == null && stripesOpen && capacity != FreeMemory.NOTHING; i++) {
            block = stripes.get(i).give(capacity);
        }
        if (block != null) {
            lend(-capacity);
        }
        return block;
    }

    /** With the lock held, and room made: a lease begins in a stripe. */
    private void lease(
            Block block, Stripe stripe, long byteLength, @Nullable Arena leaseArena, boolean resettable, boolean hit) {
        stripe.lock();
        try {
            stripe.add(block, byteLength, leaseArena, resettable, hit);
        } finally {
            stripe.unlock();
        }
        lend(block.capacity());
    }

    /** With the lock held. */
    private boolean isTight(long capacity) {
        return budget.isTight(lentBytes + capacity);
    }

    /** Memory is in its stripe, and nobody else's: it must not be lost if this fails. */
    private void handOut(Block block, boolean hit) {
        try {
            if (hit && zeroing == Zeroing.ALWAYS) {
                block.segment().fill((byte) 0);
            }
            if (trace != null) {
                trace.allocated(block);
            }
            FlightEvents.allocated(name, block, hit);
        } catch (Throwable e) {
            file(List.of(block), this::unlend);
            throw e;
        }
    }

    /** Asks the device, within the limits; null if they or the device refuse, though nothing is cached any more. */
    private @Nullable Block grow(Request request) {
        planFor(request);
        Block memory = allocate(request, admit(request));
        if (memory == null && request.refusal != null) {
            trim(0, TrimCause.REFUSED);
            // Rounding up is a luxury that nobody can afford any more.
            memory = allocate(request, admit(request.leastCapacity));
        }
        return memory;
    }

    private void planFor(Request request) {
        Buckets sizes = buckets;
        List<NativeBuffer> inTheWay;
        lock.lock();
        try {
            inTheWay = free.makeWayFor(sizes, request.byteLength);
            inTheWay.forEach(this::leaves);
            boolean tight = isTight(sizes.capacity(request.byteLength));
            request.capacity = free.capacityForNew(sizes, request.byteLength, tight);
            request.leastCapacity = free.leastCapacityForNew(sizes, request.byteLength);
        } finally {
            lock.unlock();
        }
        giveBack(inTheWay, TrimCause.REPLACED);
    }

    /** With the lock held: free memory that was taken out. */
    private void leaves(NativeBuffer memory) {
        budget.leaving(memory.capacity());
        books.trimmed(memory);
    }

    private long admit(Request request) {
        long capacity = admit(request.capacity);
        return capacity == NOT_ADMITTED ? admit(request.leastCapacity) : capacity;
    }

    /**
     * Counts a new buffer in, at the cost of free memory where a limit asks for it; returns its capacity, or
     * {@link #NOT_ADMITTED}.
     */
    private long admit(long capacity) {
        while (true) {
            List<NativeBuffer> evicted;
            lock.lock();
            try {
                requireOpen();
                if (budget.admits(capacity)) {
                    budget.add(capacity);
                    return capacity;
                }
                if (!budget.admitsWithout(free.evictableBytes(), free.evictableCount(), capacity)) {
                    return NOT_ADMITTED;
                }
                evicted = evictWhile(() -> !budget.admitsWithout(0, 0, capacity));
                if (evicted.isEmpty()) {
                    return NOT_ADMITTED;
                }
            } finally {
                lock.unlock();
            }
            // Gone before it is replaced: a limit that is exceeded for a moment is exceeded.
            giveBack(evicted, TrimCause.LIMIT);
        }
    }

    /** Creates a buffer that was counted in; null if it was not, or the device refuses. */
    private @Nullable Block allocate(Request request, long capacity) {
        request.refusal = null;
        if (capacity == NOT_ADMITTED) {
            return null;
        }
        NativeBuffer memory = null;
        boolean taken = false;
        try {
            var event = new FlightEvents.NativeAllocated(name);
            memory = device.allocate(capacity);
            event.commit(memory);
            if (residencySet != null) {
                residencySet.addUnlessClosed(memory.wholeHandle());
            }
            Block block;
            lock.lock();
            try {
                requireOpen();
                request.stripe.makeRoom();
                block = free.add(memory, request.byteLength);
                lease(block, request.stripe, request.byteLength, request.leaseArena, request.resettable, false);
                books.allocated(lentBytes + free.bytes());
                taken = true;
            } finally {
                lock.unlock();
            }
            handOut(block, false);
            return block;
        } catch (BufferAllocationException e) {
            request.refusal = e;
            return null;
        } finally {
            if (!taken) {
                uncreate(capacity, memory);
            }
        }
    }

    private void uncreate(long capacity, @Nullable NativeBuffer memory) {
        lock.lock();
        try {
            if (memory == null) {
                budget.remove(capacity);
                changed();
            } else {
                budget.leaving(capacity);
            }
        } finally {
            lock.unlock();
        }
        if (memory != null) {
            giveBack(List.of(memory));
        }
    }

    /**
     * Waits, where that can help, for something to change; false if the request has to be refused.
     *
     * @param before the count of changes before it was tried
     */
    private boolean awaitChange(Request request, long before) {
        watchWhatHelps(request);
        lock.lock();
        waiting++;
        try {
            if (closed) {
                return true;
            }
            if (!canWait(request)) {
                // What came back meanwhile may have been looked for in vain.
                boolean tryAgain = changes != before && !request.lastTry;
                request.lastTry = true;
                return tryAgain;
            }
            request.waited |= books.parkedCount() > 0;
            long seen = changes;
            long nanos = Math.min(POLL_NANOS, remainingNanos(request));
            while (changes == seen && nanos > 0) {
                nanos = changed.awaitNanos(nanos);
            }
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            request.interrupted = true;
            return false;
        } finally {
            waiting--;
            lock.unlock();
        }
    }

    private void watchWhatHelps(Request request) {
        boolean helps;
        lock.lock();
        try {
            helps = canWait(request);
        } finally {
            lock.unlock();
        }
        if (helps) {
            watchParked();
        }
    }

    /** With the lock held: whether there is time, and memory on its way that could make up for what is missing. */
    private boolean canWait(Request request) {
        boolean comesBack =
                budget.leavingBytes() > 0 || books.parkedCount() > parked.count() || parked.comesBackByItself();
        return comesBack
                && remainingNanos(request) > 0
                && budget.admitsWithout(
                        free.evictableBytes() + books.parkedBytes(),
                        (long) free.evictableCount() + books.parkedCount(),
                        request.leastCapacity);
    }

    /** With the lock held. */
    private long remainingNanos(Request request) {
        // What is leaving needs no fence, and no permission to wait for one.
        long allowed = budget.leavingBytes() > 0 ? Math.max(waitNanos, LEAVING_NANOS) : waitNanos;
        return allowed - (System.nanoTime() - request.start);
    }

    /** With the lock held: something has happened that could help a request. */
    private void changed() {
        changes++;
        if (waiting > 0) {
            changed.signalAll();
        }
    }

    /** Has threads wait for the oldest fences that none waits for. */
    private void watchParked() {
        while (true) {
            MlxFence fence;
            lock.lock();
            try {
                fence = watchers < MOST_WATCHERS ? parked.watchOldest() : null;
                if (fence == null) {
                    return;
                }
                watchers++;
            } finally {
                lock.unlock();
            }
            try {
                Background.run("mlx-fence-wait", () -> watch(fence));
            } catch (OutOfMemoryError noThread) {
                // Whoever waits asks for the fence from time to time, so nothing but promptness is lost.
                locked(() -> --watchers);
                return;
            }
        }
    }

    private void watch(MlxFence first) {
        MlxFence fence = first;
        try {
            while (fence != null) {
                try {
                    fence.await();
                } catch (Throwable e) {
                    report(fence, e);
                }
                reap();
                fence = next();
            }
        } finally {
            locked(() -> --watchers);
        }
    }

    /** What a thread watches next; null once nobody needs it any more. */
    private @Nullable MlxFence next() {
        lock.lock();
        try {
            return waiting > 0 || closed ? parked.watchOldest() : null;
        } finally {
            lock.unlock();
        }
    }

    private BufferAllocationException refused(Request request) {
        PoolStats stats;
        Refusal refusal;
        String limits;
        long memoryLimit;
        long leavingBytes;
        long deviceBytes = device.allocatedBytesIfAny();
        lock.lock();
        try {
            books.failed();
            stats = books.snapshot(free, stripes.counts(), deviceBytes);
            memoryLimit = budget.memoryLimit();
            limits = describe(memoryLimit) + " bytes and " + describe(budget.bufferLimit()) + " buffers";
            refusal = request.refusal != null
                    ? Refusal.DEVICE
                    : budget.isFull(free.evictableCount()) ? Refusal.BUFFER_LIMIT : Refusal.MEMORY_LIMIT;
            leavingBytes = budget.leavingBytes();
        } finally {
            lock.unlock();
        }
        if (trace != null) {
            trace.failed(request.byteLength);
        }
        FlightEvents.failed(name, request.byteLength, refusal.reason(), stats, memoryLimit);
        return new BufferAllocationException(
                "no memory for " + request.byteLength + " bytes: a native buffer of "
                        + (refusal == Refusal.DEVICE ? request.leastCapacity : request.capacity)
                        + " was refused by " + refusal.reason()
                        + (request.refusal == null ? "" : " (" + request.refusal.getMessage() + ")")
                        + (request.waited
                                ? ", also after up to " + TimeUnit.NANOSECONDS.toMillis(waitNanos)
                                        + " ms of waiting for parked buffers"
                                : "")
                        + (request.interrupted ? ", which was interrupted" : "")
                        + ". The pool " + name + " has " + stats.activeBytes() + " bytes in " + stats.activeCount()
                        + " active buffers, " + stats.cachedBytes() + " cached and " + stats.parkedBytes()
                        + " parked" + (leavingBytes > 0 ? ", " + leavingBytes + " on their way back to the device" : "")
                        + "; its limits are " + limits + "; the device counts "
                        + stats.deviceAllocatedBytes() + " of "
                        + device.info().recommendedMaxWorkingSetSize() + " recommended. " + refusal.advice(),
                request.byteLength,
                stats,
                request.refusal);
    }

    private static String describe(long limit) {
        return limit == MlxBufferPool.UNLIMITED ? "unlimited" : Long.toString(limit);
    }

    /** With the lock held: the memory of a lease that has ended leaves its stripe. */
    private void unlend(Block block) {
        Stripe stripe = stripeOf(block);
        stripe.lock();
        try {
            stripe.forget(block);
            if (stripe.isTooFullFor(block)) {
                takeIn(stripe.giveAll());
            }
        } finally {
            stripe.unlock();
        }
        lend(-block.capacity());
    }

    private static Stripe stripeOf(Block block) {
        Stripe stripe = block.stripe;
        if (stripe == null) {
            throw new AssertionError("a block of " + block.capacity() + " bytes was never leased");
        }
        return stripe;
    }

    /**
     * Ends a lease; false if it has ended before.
     *
     * @param pending what to park its memory with, retained by the caller, or null
     */
    boolean end(Block block, long number, @Nullable MlxFence pending) {
        boolean isQuiet = pending == null && isQuiet(block);
        if (isQuiet && !block.isKeepable()) {
            return endAndFile(block, number);
        }
        Stripe.End end = stripeOf(block).end(block, number, isQuiet);
        if (end == Stripe.End.LEFT) {
            retireAll(List.of(block), pending);
        }
        return end != Stripe.End.OVER;
    }

    /** As {@link #end}, for a block that no stripe keeps, in one go. */
    private boolean endAndFile(Block block, long number) {
        List<NativeBuffer> surplus;
        long sweep;
        lock.lock();
        try {
            if (!stripeOf(block).endAndForget(block, number)) {
                return false;
            }
            lend(-block.capacity());
            addToFree(block);
            surplus = afterFiling();
            sweep = planSweep();
            openStripes();
        } finally {
            lock.unlock();
        }
        schedule(sweep);
        giveBack(surplus, TrimCause.LIMIT);
        return true;
    }

    /** Whether nobody outside has to hear of the end of a lease. */
    private boolean isQuiet(Block block) {
        return !checked
                && trace == null
                && block.watch == null
                && !block.labelled
                && !FlightEvents.areReleasesRecorded();
    }

    /** Ends the leases of a scope that nobody can use any more; those that have ended before stay as they are. */
    void endAll(List<Block> blocks) {
        List<Block> left = new ArrayList<>();
        for (int next = 0; next < blocks.size(); ) {
            Stripe stripe = stripeOf(blocks.get(next));
            int end = Math.min(next + AT_A_TIME, blocks.size());
            stripe.lock();
            try {
                for (; next < end && blocks.get(next).stripe == stripe; next++) {
                    Block block = blocks.get(next);
                    if (stripe.endAny(block, isQuiet(block)) == Stripe.End.LEFT) {
                        left.add(block);
                    }
                }
            } finally {
                stripe.unlock();
            }
        }
        if (!left.isEmpty()) {
            retireAll(left, null);
        }
    }

    /**
     * Files memory that nobody holds any more, or parks it.
     *
     * @param pending what to park it with, retained by the caller, or null
     */
    void retireAll(List<Block> blocks, @Nullable MlxFence pending) {
        try {
            for (Block block : blocks) {
                unwatch(block);
                if (trace != null) {
                    trace.freed(block);
                }
                FlightEvents.ended(name, block, pending != null);
            }
        } finally {
            if (pending == null) {
                file(blocks, this::unlend);
            } else {
                park(blocks, pending);
            }
        }
    }

    private static void unwatch(Block block) {
        Cleaner.Cleanable watch = block.watch;
        if (watch != null) {
            block.watch = null;
            watch.clean();
        }
    }

    private void park(List<Block> blocks, MlxFence fence) {
        boolean late;
        long sweep;
        lock.lock();
        try {
            for (Block block : blocks) {
                unlend(block);
                parked.add(block, fence);
                books.parked(block);
            }
            changed();
            late = closed;
            sweep = planSweep();
        } finally {
            lock.unlock();
        }
        schedule(sweep);
        if (late) {
            watchParked();
        }
    }

    /** Takes back memory that GPU work may still use: it is not reused, and the driver keeps it until then. */
    void retireLeaked(List<Block> blocks) {
        try {
            long requestedBytes = 0;
            for (Block block : blocks) {
                block.watch = null;
                requestedBytes += block.requestedBytes;
                if (trace != null) {
                    trace.freed(block);
                }
            }
            FlightEvents.leaked(name, blocks.size(), requestedBytes);
        } finally {
            List<NativeBuffer> unused = new ArrayList<>(blocks.size());
            lock.lock();
            try {
                for (Block block : blocks) {
                    unlend(block);
                    books.leaked();
                    NativeBuffer memory = free.discard(block);
                    if (memory != null) {
                        budget.leaving(memory.capacity());
                        unused.add(memory);
                    }
                }
            } finally {
                lock.unlock();
            }
            giveBack(unused);
        }
    }

    /**
     * Brings memory that nobody uses any more into the free lists, or back to the device where the pool is closed or
     * its limits leave no room.
     *
     * @param uncount takes it out of the counts that it is still in, with the lock held
     */
    private void file(List<Block> blocks, Consumer<Block> uncount) {
        try {
            blocks.forEach(this::clean);
        } finally {
            List<NativeBuffer> surplus;
            long sweep;
            lock.lock();
            try {
                for (Block block : blocks) {
                    uncount.accept(block);
                    addToFree(block);
                }
                surplus = afterFiling();
                sweep = planSweep();
                openStripes();
            } finally {
                lock.unlock();
            }
            schedule(sweep);
            giveBack(surplus, TrimCause.LIMIT);
        }
    }

    /** With the lock held. */
    private void addToFree(Block block) {
        // What is above the limit goes at once, and not after everything else has gone for it in vain.
        free.add(block, block.capacity() > budget.cacheLimit());
    }

    /** With the lock held: keeps the limits, and returns what they cost. */
    private List<NativeBuffer> afterFiling() {
        if (free.bytes() > budget.cacheLimit() - budget.cacheLimit() / KEPT_PART) {
            closeStripes();
        }
        changed();
        return evictSurplus();
    }

    /** What becomes of a lease's traces. Never while a fence is pending: the GPU may still read. */
    private void clean(Block block) {
        if (block.labelled) {
            block.labelled = false;
            block.memory().unlabel();
        }
        if (checked) {
            block.segment().fill(RELEASED);
        }
    }

    /** With the lock held: takes out the free memory that the limits do not allow; all of it in a closed pool. */
    private List<NativeBuffer> evictSurplus() {
        return isSurplus() ? evictWhile(this::isSurplus) : List.of();
    }

    private boolean isSurplus() {
        return closed || free.bytes() > budget.cacheLimit() || budget.isExceeded() || free.hasSpoilt();
    }

    /** With the lock held: takes out free block, least recently used first, for as long as there is too much. */
    private List<NativeBuffer> evictWhile(BooleanSupplier tooMuch) {
        List<NativeBuffer> evicted = new ArrayList<>();
        while (free.evictableCount() > 0 && tooMuch.getAsBoolean()) {
            NativeBuffer memory = free.evict();
            if (memory == null) {
                throw new AssertionError("there is no native buffer to evict, and there should be");
            }
            leaves(memory);
            evicted.add(memory);
        }
        return evicted;
    }

    private void giveBack(List<NativeBuffer> trimmed, TrimCause cause) {
        if (!trimmed.isEmpty()) {
            FlightEvents.trimmed(name, cause, trimmed);
            giveBack(trimmed);
        }
    }

    /** Gives memory back that is in no list any more, and counted as leaving. */
    private void giveBack(List<NativeBuffer> memories) {
        try {
            if (residencySet != null) {
                residencySet.forget(
                        memories.stream().map(NativeBuffer::wholeHandle).toList());
            }
        } finally {
            for (NativeBuffer memory : memories) {
                MlxDevice.free(memory, () -> gone(memory.capacity()));
            }
        }
    }

    private void gone(long capacity) {
        lock.lock();
        try {
            budget.gone(capacity);
            changed();
        } finally {
            lock.unlock();
        }
    }

    /** Gives free memory back until at most so much is left, and returns how much went. */
    long trim(long maxFreeBytes, TrimCause cause) {
        reap();
        List<NativeBuffer> evicted;
        lock.lock();
        try {
            stripes.giveAll(this::takeIn);
            evicted = evictWhile(() -> free.bytes() > maxFreeBytes);
        } finally {
            lock.unlock();
        }
        giveBack(evicted, cause);
        long bytes = 0;
        for (NativeBuffer memory : evicted) {
            bytes += memory.capacity();
        }
        return bytes;
    }

    /** Files what is parked with fences that are complete; whether there was any. */
    boolean reap() {
        List<MlxFence> fences;
        lock.lock();
        try {
            if (parked.isEmpty()) {
                return false;
            }
            fences = parked.fences();
        } finally {
            lock.unlock();
        }
        boolean reaped = false;
        for (MlxFence fence : fences) {
            if (isComplete(fence)) {
                reaped |= settle(fence);
            }
        }
        return reaped;
    }

    /**
     * Whoever asks has nothing to do with the fence, so its failure is not theirs: what it guards stays where it is.
     */
    private boolean isComplete(MlxFence fence) {
        try {
            return fence.isComplete();
        } catch (Throwable e) {
            report(fence, e);
            return false;
        }
    }

    private void report(MlxFence fence, Throwable failure) {
        boolean first;
        lock.lock();
        try {
            first = parked.firstReport(fence);
        } finally {
            lock.unlock();
        }
        if (first) {
            LOG.log(
                    Level.WARNING,
                    "a " + fence.getClass().getName() + " failed: what is parked with it stays",
                    failure);
        }
    }

    /** Files what is parked with a fence that is complete; false if someone else did. */
    boolean settle(MlxFence fence) {
        List<Block> batch;
        lock.lock();
        try {
            batch = parked.remove(fence);
        } finally {
            lock.unlock();
        }
        if (batch == null) {
            return false;
        }
        RetainedFence.release(fence);
        file(batch, books::unparked);
        return true;
    }

    /**
     * With the lock held: makes sure that free memory is looked after when it has lain idle, and parked memory when
     * nobody asks for it. Returns the number of a sweep to {@link #schedule}, or 0.
     */
    private long planSweep() {
        boolean nothingToDo = parked.isEmpty() && free.count() == 0;
        if (sweep != 0 || nothingToDo || sweepNanos() == 0) {
            return 0;
        }
        sweep = ++sweepsSoFar;
        sweepFiling = free.filings();
        return sweep;
    }

    /** With the lock held: the time between sweeps; 0 for never. */
    private long sweepNanos() {
        return closed ? CLOSED_POLL_NANOS : idleNanos;
    }

    private void schedule(long planned) {
        if (planned != 0) {
            CompletableFuture.delayedExecutor(locked(this::sweepNanos), TimeUnit.NANOSECONDS)
                    .execute(() -> sweep(planned));
        }
    }

    /** Gives back what nobody has touched since the sweep was planned. */
    private void sweep(long number) {
        try {
            reap();
        } finally {
            List<NativeBuffer> evicted = List.of();
            long next = 0;
            lock.lock();
            try {
                if (number == sweep) {
                    stripes.giveAll(this::takeIn);
                    evicted = evictWhile(() -> free.evictableSince() <= sweepFiling);
                    sweep = 0;
                    next = planSweep();
                    if (next == 0) {
                        // What they have kept since is the next sweep's.
                        closeStripes();
                        next = planSweep();
                    }
                }
            } finally {
                lock.unlock();
            }
            schedule(next);
            giveBack(evicted, TrimCause.IDLE);
        }
    }

    long memoryLimit() {
        return locked(budget::memoryLimit);
    }

    void memoryLimit(long bytes) {
        limit(() -> budget.memoryLimit(bytes));
    }

    long cacheLimit() {
        return locked(budget::cacheLimit);
    }

    void cacheLimit(long bytes) {
        limit(() -> budget.cacheLimit(bytes));
    }

    long bufferLimit() {
        return locked(budget::bufferLimit);
    }

    void bufferLimit(long buffers) {
        limit(() -> budget.bufferLimit(buffers));
    }

    private long locked(LongSupplier action) {
        lock.lock();
        try {
            return action.getAsLong();
        } finally {
            lock.unlock();
        }
    }

    private void limit(Runnable change) {
        reap();
        List<NativeBuffer> surplus;
        lock.lock();
        try {
            closeStripes();
            change.run();
            lend(0);
            surplus = evictSurplus();
            openStripes();
            changed();
        } finally {
            lock.unlock();
        }
        giveBack(surplus, TrimCause.LIMIT);
    }

    long roundToPagesAbove() {
        return buckets.roundToPagesAbove();
    }

    void roundToPagesAbove(long bytes) {
        buckets = buckets.roundingToPagesAbove(bytes);
    }

    long waitNanos() {
        return waitNanos;
    }

    void waitNanos(long nanos) {
        waitNanos = nanos;
    }

    long idleNanos() {
        return locked(() -> idleNanos);
    }

    void idleNanos(long nanos) {
        long planned;
        lock.lock();
        try {
            idleNanos = nanos;
            closeStripes();
            sweep = 0;
            planned = planSweep();
            openStripes();
        } finally {
            lock.unlock();
        }
        schedule(planned);
    }

    int freeCount() {
        reap();
        return Math.toIntExact(locked(() -> free.count() + stripes.counts().keptCount));
    }

    long freeBytes() {
        reap();
        return locked(() -> free.bytes() + stripes.counts().keptBytes);
    }

    long leakedCount() {
        return locked(books::leakedCount);
    }

    /** What the address of every lease is a multiple of, in bytes. */
    long alignment() {
        return free.alignment(buckets);
    }

    /** The leases that a reset ends. */
    List<IssuedLease> resettableLeases() {
        List<IssuedLease> leases = new ArrayList<>();
        for (int i = 0; i < stripes.count(); i++) {
            Stripe stripe = stripes.get(i);
            stripe.lock();
            try {
                for (Block block : stripe.resettable()) {
                    leases.add(new IssuedLease(block, block.currentLease(), block.leaseArena, block.requestedBytes));
                }
            } finally {
                stripe.unlock();
            }
        }
        return leases;
    }

    /** Ends those leases, none of which has an arena of its own. */
    void endResettable(@Nullable MlxFence pending) {
        List<Block> left = new ArrayList<>();
        for (int i = 0; i < stripes.count(); i++) {
            Stripe stripe = stripes.get(i);
            stripe.lock();
            try {
                for (Block block : stripe.resettable()) {
                    if (stripe.endAny(block, pending == null && isQuiet(block)) == Stripe.End.LEFT) {
                        left.add(block);
                    }
                }
            } finally {
                stripe.unlock();
            }
        }
        retireAll(left, pending);
    }

    PoolStats snapshot() {
        long deviceAllocatedBytes = device.allocatedBytesIfAny();
        lock.lock();
        try {
            return books.snapshot(free, stripes.counts(), deviceAllocatedBytes);
        } finally {
            lock.unlock();
        }
    }

    /** Stops handing memory out, and frees what is free; false if that was done before. */
    boolean close() {
        List<NativeBuffer> cached;
        long planned;
        lock.lock();
        try {
            if (closed) {
                return false;
            }
            closeStripes();
            closed = true;
            cached = evictSurplus();
            // The next is sooner, for what is parked.
            sweep = 0;
            planned = planSweep();
            changed();
        } finally {
            lock.unlock();
        }
        schedule(planned);
        if (trace != null) {
            trace.close();
        }
        giveBack(cached, TrimCause.CLOSED);
        reap();
        watchParked();
        return true;
    }

    boolean isClosed() {
        lock.lock();
        try {
            return closed;
        } finally {
            lock.unlock();
        }
    }

    /** @throws IllegalStateException if the pool is closed */
    void requireOpenNow() {
        lock.lock();
        try {
            requireOpen();
        } finally {
            lock.unlock();
        }
    }

    /** With the lock held. */
    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the pool is closed");
        }
    }
}
