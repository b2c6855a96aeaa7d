package dev.mlxnative;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import javax.management.MBeanAttributeInfo;
import javax.management.StandardMBean;
import org.jspecify.annotations.Nullable;

/**
 * One thread of a round. It makes random calls to the pool, and keeps a model of the statistics that the pool must
 * have.
 */
final class RandomUser {
    private static final int MOST_HELD = 16;
    private static final long[] BYTES = {0, 4096, 1 << 16, 1 << 20, 64 << 20, MlxBufferPool.UNLIMITED};
    private static final long[] BUFFERS = {0, 1, 5, 50, MlxBufferPool.UNLIMITED};
    private static final long[] MICROS = {0, 100, 1000};

    private final RandomRound round;
    private final MlxBufferPool pool;
    private final SplittableRandom random;
    private final int index;
    private long leases;

    /** Leases that this thread alone releases. */
    final List<MarkedLease> held = new ArrayList<>();
    /** Leases that other threads may release as well. */
    final List<MarkedLease> contested = new ArrayList<>();
    /** Leases of the scope that all threads share. */
    final List<MarkedLease> ofSharedScope = new ArrayList<>();

    long granted;
    long failed;
    /** Leases that this thread has ended, and certainly no other thread. */
    long ended;

    long operations;
    private long lastRequests;

    RandomUser(RandomRound round, int index, long seed) {
        this.round = round;
        this.pool = round.pool;
        this.index = index;
        this.random = new SplittableRandom(seed * 1000 + index);
    }

    /** Leases and releases, as most programs do: fast enough for a very large number of operations. */
    void leaseAndRelease(int steps) {
        for (int step = 0; step < steps && !round.hasFailed(); step++) {
            hold(lease());
            while (!held.isEmpty() && (held.size() >= MOST_HELD || random.nextInt(4) == 0)) {
                MarkedLease next = removeAny(held);
                next.requireIntact();
                switch (random.nextInt(8)) {
                    case 0 -> {
                        if (round.gpuWork.get(index).release(pool, next)) {
                            ended();
                        }
                    }
                    case 1 -> hold(round.exchange(next));
                    case 2, 3 -> {
                        next.buffer.close();
                        ended();
                    }
                    default -> {
                        pool.release(next.buffer);
                        ended();
                    }
                }
            }
            if (step % 64 == 63) {
                round.gpuWork.get(index).complete(step % 128 == 127, false);
                operations++;
            }
            if (step % 512 == 511) {
                checkStatistics();
            }
            if (step % 16_384 == 16_383) {
                pool.trim(random.nextLong(1 << 22));
                operations++;
            }
        }
    }

    private void ended() {
        ended++;
        operations++;
    }

    /** Makes calls of every kind. */
    void makeRandomCalls(int steps) throws Exception {
        for (int step = 0; step < steps && !round.hasFailed(); step++) {
            operations++;
            if (round.plan.closes() && index == 0 && step == steps / 2) {
                pool.close();
                pool.close();
            }
            try {
                randomCall(random.nextInt(100));
            } catch (IllegalStateException e) {
                if (!round.plan.closes() || !"the pool is closed".equals(e.getMessage())) {
                    throw e;
                }
            }
        }
    }

    private void randomCall(int choice) throws Exception {
        if (choice < 36) {
            hold(lease());
            if (held.size() > MOST_HELD) {
                endAny();
            }
        } else if (choice < 54) {
            endAny();
        } else if (choice < 58) {
            if (!held.isEmpty()) {
                hold(round.exchange(removeAny(held)));
            }
        } else if (choice < 62) {
            contend();
        } else if (choice < 66) {
            if (!held.isEmpty()) {
                inspect(held.get(random.nextInt(held.size())), true);
            }
        } else if (choice < 69) {
            misuse();
        } else if (choice < 78) {
            GpuWork work = anyGpuWork();
            if (random.nextInt(6) == 0) {
                work.fail(random.nextBoolean());
            } else {
                work.complete(random.nextBoolean(), random.nextInt(4) == 0);
            }
        } else if (choice < 84) {
            checkStatistics();
        } else if (choice < 87) {
            query();
        } else if (choice < 89) {
            trim();
        } else if (choice < 93) {
            useScope();
        } else if (choice < 94) {
            useSharedScope();
        } else if (choice < 95) {
            leaseWhileInterrupted();
        } else if (choice < 97) {
            reset();
        } else if (choice < 99) {
            changeSettings();
        } else {
            round.changeFaults(random);
        }
    }

    private void hold(@Nullable MarkedLease lease) {
        if (lease != null) {
            held.add(lease);
        }
    }

    private void endAny() {
        if (!held.isEmpty()) {
            end(removeAny(held));
        }
    }

    private long anyBytes() {
        int kind = random.nextInt(64);
        if (kind == 0) {
            return 1 + random.nextLong(3 * RandomRound.ROUND_TO_PAGES_ABOVE);
        }
        return kind < 16 ? 1 + random.nextLong(1 << 16) : 1 + random.nextLong(1L << (1 + random.nextInt(12)));
    }

    private MarkedLease removeAny(List<MarkedLease> list) {
        int last = list.size() - 1;
        int chosen = random.nextInt(list.size());
        MarkedLease lease = list.get(chosen);
        list.set(chosen, list.get(last));
        list.remove(last);
        return lease;
    }

    private GpuWork anyGpuWork() {
        return round.gpuWork.get(random.nextInt(round.gpuWork.size()));
    }

    /** Null if the request was refused. */
    private @Nullable MarkedLease lease() {
        long bytes = anyBytes();
        try {
            MlxBuffer buffer = bytes % 16 == 0 ? pool.alloc(DType.F32, 4, bytes / 16) : pool.alloc(bytes, DType.U8);
            return mark(buffer);
        } catch (BufferAllocationException e) {
            refused(e, bytes);
            return null;
        }
    }

    private MarkedLease mark(MlxBuffer buffer) {
        granted++;
        operations++;
        MarkedLease lease = new MarkedLease(buffer, ++leases * round.plan.threads() + index);
        round.mark(lease);
        return lease;
    }

    private void refused(BufferAllocationException e, long bytes) {
        failed++;
        operations++;
        if (e.requestedBytes() != bytes) {
            throw new AssertionError("refused " + bytes + " bytes, not", e);
        }
        round.requireConsistent(e.poolStats().orElseThrow());
        endAny();
    }

    private void leaseWhileInterrupted() {
        Thread.currentThread().interrupt();
        try {
            hold(lease());
        } finally {
            // The request must not clear the interrupt status of its thread.
            if (!Thread.interrupted()) {
                throw new AssertionError("the pool lost an interrupt");
            }
        }
    }

    /** Ends a lease of this thread in one of several ways. A reset of another thread may have ended it before. */
    private void end(MarkedLease lease) {
        lease.requireIntact();
        try {
            switch (random.nextInt(6)) {
                case 0, 1 -> {
                    if (!anyGpuWork().release(pool, lease)) {
                        held.add(lease);
                        return;
                    }
                }
                case 2 -> {
                    boolean released = lease.buffer.isReleased();
                    lease.buffer.close();
                    lease.buffer.close();
                    if (released || round.plan.resets()) {
                        awaitEnd(lease);
                        return;
                    }
                }
                default -> pool.release(lease.buffer);
            }
            ended();
            requireEnded(lease);
        } catch (IllegalStateException e) {
            requireResetBefore(lease, e);
        }
    }

    private void requireResetBefore(MarkedLease lease, IllegalStateException e) {
        if (!round.plan.resets()) {
            throw e;
        }
        awaitEnd(lease);
    }

    private static void requireEnded(MarkedLease lease) {
        if (!lease.buffer.isReleased()) {
            throw new AssertionError(lease.buffer + " was ended, but is not released");
        }
    }

    /**
     * Waits until a lease has ended. In a checked pool, the thread that ends a lease closes its segments first, and may
     * not have ended the lease yet.
     */
    private static void awaitEnd(MarkedLease lease) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!lease.buffer.isReleased() && System.nanoTime() - deadline < 0) {
            Thread.yield();
        }
        requireEnded(lease);
    }

    /** Releases a lease that several threads release. One of them succeeds. */
    private void contend() {
        if (!held.isEmpty() && random.nextBoolean()) {
            MarkedLease mine = removeAny(held);
            contested.add(mine);
            round.contested.set(mine);
        }
        MarkedLease lease = round.contested.get();
        if (lease == null) {
            return;
        }
        lease.requireIntact();
        try {
            if (random.nextInt(3) > 0) {
                pool.release(lease.buffer);
            } else if (!anyGpuWork().release(pool, lease)) {
                return;
            }
            ended();
        } catch (IllegalStateException e) {
            awaitEnd(lease);
        }
    }

    /** Checks every property of a buffer and of a slice of it. */
    private void inspect(MarkedLease lease, boolean resettable) {
        MlxBuffer buffer = lease.buffer;
        long elements = 1;
        for (long dimension : buffer.shape()) {
            elements *= dimension;
        }
        if (elements != buffer.elementCount()
                || elements * buffer.dtype().byteSize() > buffer.byteLength()
                || buffer.capacity() < buffer.byteLength()
                || buffer.isCopy()
                || !buffer.toString().startsWith("MlxBuffer[")) {
            throw new AssertionError(buffer + " does not match its request");
        }
        try {
            long start = buffer.handleOffset();
            if (buffer.handle().address() == 0 || !round.isPlace(start, buffer.capacity())) {
                throw new AssertionError(buffer + " has no handle, or is at " + start + " of it");
            }
            buffer.label("lease of " + index);
            long length = 1 + random.nextLong(buffer.byteLength());
            long offset = random.nextLong(buffer.byteLength() - length + 1);
            MlxBuffer slice = buffer.slice(offset, DType.U8, length);
            if (slice.handleOffset() != start + offset || slice.segment().byteSize() != length) {
                throw new AssertionError(slice + " is not at " + offset);
            }
            try {
                pool.release(slice);
                throw new AssertionError(slice + " was released");
            } catch (IllegalArgumentException expected) {
                slice.close();
            }
            if (!slice.isReleased()) {
                throw new AssertionError(slice + " was closed, but is not released");
            }
        } catch (IllegalStateException e) {
            if (!resettable) {
                throw e;
            }
            requireResetBefore(lease, e);
        }
    }

    private void misuse() {
        MarkedLease lease = lease();
        if (lease == null) {
            return;
        }
        try {
            round.stranger.release(lease.buffer);
            throw new AssertionError("another pool took " + lease.buffer);
        } catch (IllegalArgumentException expected) {
            lease.requireIntact();
        }
        end(lease);
        if (!lease.buffer.isReleased()) {
            return;
        }
        lease.buffer.close();
        try {
            if (random.nextBoolean()) {
                pool.release(lease.buffer);
            } else if (!anyGpuWork().release(pool, lease)) {
                return;
            }
        } catch (IllegalStateException expected) {
            try {
                lease.buffer.segment();
            } catch (IllegalStateException alsoExpected) {
                return;
            }
        }
        throw new AssertionError(lease.buffer + " was released twice");
    }

    private void checkStatistics() {
        operations++;
        PoolStats stats = pool.stats();
        round.requireConsistent(stats);
        if (stats.requests() < lastRequests) {
            throw new AssertionError("requests fell from " + lastRequests + " in " + stats);
        }
        lastRequests = stats.requests();
    }

    private void query() throws Exception {
        switch (random.nextInt(5)) {
            case 0 -> {
                StandardMBean bean = new StandardMBean(pool.mxBean(), MlxBufferPoolMXBean.class, true);
                for (MBeanAttributeInfo attribute : bean.getMBeanInfo().getAttributes()) {
                    if (bean.getAttribute(attribute.getName()) == null) {
                        throw new AssertionError(attribute + " has no value");
                    }
                }
            }
            case 1 -> {
                if (pool.freeBytes() < 0 || pool.freeCount() < 0 || pool.leakedCount() != 0) {
                    throw new AssertionError(pool + " has lost count");
                }
            }
            case 2 -> {
                if (!pool.toString().contains(pool.name())) {
                    throw new AssertionError(pool + " does not have its name in its text");
                }
            }
            case 3 -> {
                if (pool.limits().memoryLimit() < 0
                        || pool.limits().cacheLimit() < 0
                        || pool.limits().bufferLimit() < 0
                        || pool.limits().roundToPagesAbove() < 0
                        || pool.limits().trimIdleAfter().isNegative()
                        || pool.limits().waitForParked().isNegative()) {
                    throw new AssertionError(pool + " has negative limits");
                }
            }
            default -> {
                try {
                    pool.alloc(0, DType.U8);
                    throw new AssertionError("a request of 0 bytes was granted");
                } catch (IllegalArgumentException expected) {
                    operations++;
                }
            }
        }
    }

    private void trim() {
        long freed = random.nextInt(4) == 0
                ? pool.clear()
                : random.nextBoolean()
                        ? pool.trim(random.nextLong(1 << 20))
                        : pool.mxBean().trim(random.nextLong(1 << 20));
        if (freed < 0) {
            throw new AssertionError("trimmed " + freed + " bytes");
        }
    }

    private void reset() {
        if (!round.plan.resets()) {
            return;
        }
        round.reset(() -> {
            if (random.nextBoolean()) {
                pool.reset();
            } else {
                anyGpuWork().reset(pool);
            }
        });
    }

    private void changeSettings() {
        if (!round.plan.changesSettings()) {
            return;
        }
        switch (random.nextInt(6)) {
            case 0 -> pool.limits().setMemoryLimit(any(BYTES));
            case 1 -> pool.limits().setCacheLimit(any(BYTES));
            case 2 -> pool.limits().setBufferLimit(any(BUFFERS));
            case 3 -> pool.limits().setRoundToPagesAbove(any(BYTES));
            case 4 -> pool.limits().setTrimIdleAfter(Duration.ofMillis(any(MICROS) / 100));
            default -> pool.limits().setWaitForParked(Duration.ofNanos(1000 * any(MICROS)));
        }
        if (random.nextInt(3) == 0) {
            pool.limits().setMemoryLimit(MlxBufferPool.UNLIMITED);
            pool.mxBean().setBufferLimit(MlxBufferPool.UNLIMITED);
        }
    }

    private long any(long[] values) {
        return values[random.nextInt(values.length)];
    }

    private void useSharedScope() {
        if (ofSharedScope.size() < 4) {
            try {
                ofSharedScope.add(mark(round.sharedScope.alloc(DType.U8, 1 + random.nextLong(2000))));
            } catch (BufferAllocationException e) {
                failed++;
            }
        }
        ofSharedScope.forEach(MarkedLease::requireIntact);
    }

    private void useScope() throws InterruptedException {
        boolean confined = random.nextBoolean();
        List<MarkedLease> active = new ArrayList<>();
        List<MarkedLease> early = new ArrayList<>();
        List<MemorySegment> segments = new ArrayList<>();
        MlxScope scope = confined ? pool.confinedScope() : pool.scope();
        try (scope) {
            fill(scope, active, segments);
            active.forEach(lease -> inspect(lease, false));
            while (active.size() > 1 && random.nextBoolean()) {
                early.add(endEarly(removeAny(active)));
            }
            if (confined && random.nextInt(8) == 0 && !active.isEmpty()) {
                requireRefusalOnAnotherThread(scope, active.getFirst());
            }
            fill(scope, active, segments);
            early.forEach(MarkedLease::requireUntouched);
        } finally {
            ended += active.size() + segments.size();
        }
        active.forEach(RandomUser::requireEnded);
        for (MemorySegment segment : segments) {
            try {
                segment.get(ValueLayout.JAVA_BYTE, 0);
                throw new AssertionError("a segment outlived its scope");
            } catch (IllegalStateException expected) {
                operations++;
            }
        }
        try {
            scope.alloc(DType.U8, 1);
            throw new AssertionError(scope + " is closed, but allocates");
        } catch (IllegalStateException expected) {
            operations++;
        }
    }

    private void fill(MlxScope scope, List<MarkedLease> active, List<MemorySegment> segments) {
        for (int i = random.nextInt(5); i > 0; i--) {
            if (random.nextInt(3) > 0) {
                long bytes = anyBytes();
                try {
                    active.add(mark(scope.alloc(bytes, DType.U8)));
                } catch (BufferAllocationException e) {
                    refused(e, bytes);
                }
            } else {
                allocate(scope, segments);
            }
            active.forEach(MarkedLease::requireIntact);
        }
    }

    private void allocate(MlxScope scope, List<MemorySegment> segments) {
        long alignment = 1L << random.nextInt(15);
        try {
            MemorySegment segment = scope.allocate(1 + random.nextLong(1 << 13), alignment);
            granted++;
            operations++;
            segments.add(segment);
            if (segment.address() % alignment != 0) {
                throw new AssertionError(segment + " is not aligned to " + alignment);
            }
            segment.fill((byte) index);
        } catch (BufferAllocationException e) {
            failed++;
            operations++;
        }
    }

    /** Ends a lease of an open scope. Its memory keeps its contents until the scope closes and a fence is complete. */
    private MarkedLease endEarly(MarkedLease lease) {
        lease.requireIntact();
        switch (random.nextInt(3)) {
            case 0 -> {
                if (!anyGpuWork().release(pool, lease)) {
                    throw new AssertionError("a fence was asked before the scope has ended");
                }
            }
            case 1 -> lease.buffer.close();
            default -> pool.release(lease.buffer);
        }
        ended();
        requireEnded(lease);
        try {
            pool.release(lease.buffer);
            throw new AssertionError(lease.buffer + " was released twice");
        } catch (IllegalStateException expected) {
            return lease;
        }
    }

    private static void requireRefusalOnAnotherThread(MlxScope scope, MarkedLease lease) throws InterruptedException {
        Thread other = Thread.ofVirtual().unstarted(() -> {
            try {
                scope.alloc(DType.U8, 1);
            } catch (WrongThreadException expected) {
                lease.buffer.close();
            }
        });
        other.setUncaughtExceptionHandler((thread, e) -> {
            if (!(e instanceof WrongThreadException)) {
                throw new AssertionError(e);
            }
        });
        other.start();
        if (!other.join(Duration.ofSeconds(20)) || lease.buffer.isReleased()) {
            throw new AssertionError("another thread ended " + lease.buffer);
        }
    }
}
