package dev.mlxnative;

import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
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

    private volatile Buckets buckets;
    private volatile long waitNanos;

    private final ReentrantLock lock = new ReentrantLock();
    /** Signalled with each change that could help a request. */
    private final Condition changed = lock.newCondition();

    /* Guarded by the lock. */
    private final FreeLists free = new FreeLists();
    private final PoolBooks books = new PoolBooks();
    private final Budget budget;
    private final Parked parked = new Parked();
    /** The memory of every lease that a reset ends: all but those of scopes. */
    private final ArrayList<NativeBuffer> issued = new ArrayList<>();

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
    }

    /** A request that no free memory serves, on its way through everything else. */
    private static final class Request {
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

        private Request(long byteLength, @Nullable Arena leaseArena, boolean resettable) {
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
    NativeBuffer take(long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        device.requireOpen();
        NativeBuffer memory = reuse(byteLength, leaseArena, resettable);
        return memory != null ? memory : demand(new Request(byteLength, leaseArena, resettable));
    }

    private NativeBuffer demand(Request request) {
        while (true) {
            long before = locked(() -> changes);
            reap();
            NativeBuffer memory = reuse(request.byteLength, request.leaseArena, request.resettable);
            if (memory == null) {
                memory = grow(request);
            }
            if (memory != null) {
                return memory;
            }
            if (!awaitChange(request, before)) {
                throw refused(request);
            }
        }
    }

    private @Nullable NativeBuffer reuse(long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        Buckets sizes = buckets;
        NativeBuffer memory;
        lock.lock();
        try {
            requireOpen();
            issued.ensureCapacity(issued.size() + 1);
            long capacity = sizes.capacity(byteLength);
            boolean tight = isTight(capacity);
            if (tight) {
                capacity = sizes.pages(byteLength);
            }
            memory = free.take(capacity, byteLength, sizes.largest(byteLength, capacity, tight));
            if (memory == null) {
                return null;
            }
            list(memory, byteLength, leaseArena, resettable);
            books.hit(memory);
        } finally {
            lock.unlock();
        }
        if (zeroing == Zeroing.ALWAYS) {
            memory.segment().fill((byte) 0);
        }
        record(memory, true);
        return memory;
    }

    /** With the lock held. */
    private boolean isTight(long capacity) {
        return budget.isTight(books.activeBytes() + capacity);
    }

    /** Memory is listed, and nobody else's: it must not be lost if this fails. */
    private void record(NativeBuffer memory, boolean hit) {
        try {
            if (trace != null) {
                trace.allocated(memory);
            }
            FlightEvents.allocated(name, memory, hit);
        } catch (Throwable e) {
            file(List.of(memory), this::unlist);
            throw e;
        }
    }

    /** Asks the device, within the limits; null if they or the device refuse, though nothing is cached any more. */
    private @Nullable NativeBuffer grow(Request request) {
        Buckets sizes = buckets;
        request.leastCapacity = sizes.pages(request.byteLength);
        long capacity = sizes.capacity(request.byteLength);
        request.capacity = locked(() -> isTight(capacity) ? request.leastCapacity : capacity);
        NativeBuffer memory = allocate(request, admit(request));
        if (memory == null && request.refusal != null) {
            trim(0, TrimCause.REFUSED);
            // Rounding up is a luxury that nobody can afford any more.
            memory = allocate(request, admit(request.leastCapacity));
        }
        return memory;
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
                if (!budget.admitsWithout(free.bytes(), free.count(), capacity)) {
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
    private @Nullable NativeBuffer allocate(Request request, long capacity) {
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
            lock.lock();
            try {
                requireOpen();
                issued.ensureCapacity(issued.size() + 1);
                list(memory, request.byteLength, request.leaseArena, request.resettable);
                books.allocated(memory, free.bytes());
                taken = true;
            } finally {
                lock.unlock();
            }
            record(memory, false);
            return memory;
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
                        free.bytes() + books.parkedBytes(),
                        (long) free.count() + books.parkedCount(),
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
        changed.signalAll();
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
            stats = books.snapshot(free, deviceBytes);
            memoryLimit = budget.memoryLimit();
            limits = describe(memoryLimit) + " bytes and " + describe(budget.bufferLimit()) + " buffers";
            refusal = request.refusal != null
                    ? Refusal.DEVICE
                    : budget.isFull(free.count()) ? Refusal.BUFFER_LIMIT : Refusal.MEMORY_LIMIT;
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

    /** With the lock held: memory that goes out. */
    private void list(NativeBuffer memory, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        memory.requestedBytes = byteLength;
        memory.leaseArena = leaseArena;
        if (resettable) {
            memory.issuedIndex = issued.size();
            issued.add(memory);
        }
    }

    /** With the lock held: memory that comes back. */
    private void unlist(NativeBuffer memory) {
        int index = memory.issuedIndex;
        if (index != NativeBuffer.NOT_LISTED) {
            NativeBuffer last = issued.removeLast();
            if (last != memory) {
                issued.set(index, last);
                last.issuedIndex = index;
            }
            memory.issuedIndex = NativeBuffer.NOT_LISTED;
        }
        books.ended(memory);
    }

    /**
     * Files memory that nobody holds any more, or parks it.
     *
     * @param pending what to park it with, retained by the caller, or null
     */
    void retireAll(List<NativeBuffer> memories, @Nullable MlxFence pending) {
        try {
            for (NativeBuffer memory : memories) {
                if (trace != null) {
                    trace.freed(memory);
                }
                FlightEvents.ended(name, memory, pending != null);
            }
        } finally {
            if (pending == null) {
                file(memories, this::unlist);
            } else {
                park(memories, pending);
            }
        }
    }

    private void park(List<NativeBuffer> memories, MlxFence fence) {
        boolean late;
        long sweep;
        lock.lock();
        try {
            for (NativeBuffer memory : memories) {
                unlist(memory);
                parked.add(memory, fence);
                books.parked(memory);
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
    void retireLeaked(List<NativeBuffer> memories) {
        try {
            long requestedBytes = 0;
            for (NativeBuffer memory : memories) {
                requestedBytes += memory.requestedBytes;
                if (trace != null) {
                    trace.freed(memory);
                }
            }
            FlightEvents.leaked(name, memories.size(), requestedBytes);
        } finally {
            lock.lock();
            try {
                for (NativeBuffer memory : memories) {
                    unlist(memory);
                    books.leaked();
                    budget.leaving(memory.capacity());
                }
            } finally {
                lock.unlock();
            }
            giveBack(memories);
        }
    }

    /**
     * Brings memory that nobody uses any more into the free lists, or back to the device where the pool is closed or
     * its limits leave no room.
     *
     * @param uncount takes it out of the counts that it is still in, with the lock held
     */
    private void file(List<NativeBuffer> memories, Consumer<NativeBuffer> uncount) {
        try {
            memories.forEach(this::clean);
        } finally {
            List<NativeBuffer> surplus;
            long sweep;
            lock.lock();
            try {
                for (NativeBuffer memory : memories) {
                    uncount.accept(memory);
                    if (memory.capacity() <= budget.cacheLimit()) {
                        free.add(memory);
                    } else {
                        // Goes at once, and not after everything else has gone for it in vain.
                        free.addAsOldest(memory);
                    }
                }
                surplus = evictSurplus();
                sweep = planSweep();
                changed();
            } finally {
                lock.unlock();
            }
            schedule(sweep);
            giveBack(surplus, TrimCause.LIMIT);
        }
    }

    /** What becomes of a lease's traces. Never while a fence is pending: the GPU may still read. */
    private void clean(NativeBuffer memory) {
        memory.unlabel();
        if (checked) {
            memory.segment().fill(RELEASED);
        }
    }

    /** With the lock held: takes out the free memory that the limits do not allow; all of it in a closed pool. */
    private List<NativeBuffer> evictSurplus() {
        return isSurplus() ? evictWhile(this::isSurplus) : List.of();
    }

    private boolean isSurplus() {
        return closed || free.bytes() > budget.cacheLimit() || budget.isExceeded();
    }

    /** With the lock held: takes out free memory, least recently used first, for as long as there is too much. */
    private List<NativeBuffer> evictWhile(BooleanSupplier tooMuch) {
        List<NativeBuffer> evicted = new ArrayList<>();
        while (free.count() > 0 && tooMuch.getAsBoolean()) {
            NativeBuffer memory = free.evictOldest();
            budget.leaving(memory.capacity());
            books.trimmed(memory);
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
        List<NativeBuffer> batch;
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
                    evicted = evictWhile(() -> free.oldestFiling() <= sweepFiling);
                    sweep = 0;
                    next = planSweep();
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
            change.run();
            surplus = evictSurplus();
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
            sweep = 0;
            planned = planSweep();
        } finally {
            lock.unlock();
        }
        schedule(planned);
    }

    int freeCount() {
        reap();
        return Math.toIntExact(locked(free::count));
    }

    long freeBytes() {
        reap();
        return locked(free::bytes);
    }

    long leakedCount() {
        return locked(books::leakedCount);
    }

    /** The leases that a reset ends. */
    List<IssuedLease> issuedLeases() {
        lock.lock();
        try {
            List<IssuedLease> leases = new ArrayList<>(issued.size());
            for (NativeBuffer memory : issued) {
                // Read once: a thread that ends the lease does not take the lock for it. An even number belongs to a
                // thread that is on its way out of alloc, or into release: neither has a lease to end here.
                long number = memory.currentLease();
                if (NativeBuffer.isLease(number)) {
                    leases.add(new IssuedLease(memory, number, memory.leaseArena, memory.requestedBytes));
                }
            }
            return leases;
        } finally {
            lock.unlock();
        }
    }

    PoolStats snapshot() {
        long deviceAllocatedBytes = device.allocatedBytesIfAny();
        lock.lock();
        try {
            return books.snapshot(free, deviceAllocatedBytes);
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
