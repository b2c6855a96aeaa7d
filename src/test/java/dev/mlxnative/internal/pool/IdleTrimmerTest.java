package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.LogRecords;
import dev.mlxnative.Unreachable;
import dev.mlxnative.internal.background.DaemonThreads;
import dev.mlxnative.internal.background.DaemonTimer;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class IdleTrimmerTest {
    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final PoolSetup setup = new PoolSetup();
    private final PoolEngine pool = sweepAfter(TimeUnit.MILLISECONDS.toNanos(5)).engine();

    private PoolSetup sweepAfter(long idleNanos) {
        return setup.limits(limits -> limits.withTrimIdleNanos(idleNanos));
    }

    /** Opens a pool with idle memory. */
    private PoolEngine newPool(long idleNanos) {
        PoolEngine opened = sweepAfter(idleNanos).engine();
        Lease.of(opened, PAGE).end();
        return opened;
    }

    @Test
    void memoryThatLiesIdleIsFreed() {
        Lease used = Lease.of(pool, 2 * PAGE);
        Lease.of(pool, PAGE).end();
        Waiting.until("the idle memory is freed", () -> setup.source.allocatedBytes() == 2 * PAGE);
        assertThat(setup.source.takeSteps()).containsExactly("allocate 32768", "allocate 16384", "free 16384");
        used.end();
        Waiting.until("all memory is freed", () -> setup.source.allocatedBytes() == 0);
    }

    @Test
    void parkedMemoryIsReapedAndThenFreed() {
        var fence = new FakeFence();
        Lease.of(pool, PAGE).endWith(fence);
        fence.complete();
        Waiting.until("all memory is freed", () -> setup.source.allocatedBytes() == 0);
        assertThat(pool.snapshot().parkedCount()).isZero();
    }

    @Test
    void idleMemoryIsFreedWhileTheApplicationBlocksTheCommonPool() {
        var end = new CountDownLatch(1);
        List<CompletableFuture<Void>> blocked = IntStream.range(0, 300)
                .mapToObj(ignored -> CompletableFuture.runAsync(() -> Waiting.untilOpen(end)))
                .toList();
        try {
            Lease.of(pool, PAGE).end();
            Waiting.until("all memory is freed", () -> setup.source.allocatedBytes() == 0);
        } finally {
            end.countDown();
            blocked.forEach(CompletableFuture::join);
        }
    }

    @Test
    void aClosedPoolIsUnreachableAtOnce() {
        List<WeakReference<PoolEngine>> closed = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            PoolEngine opened = newPool(TimeUnit.DAYS.toNanos(1));
            opened.close();
            closed.add(new WeakReference<>(opened));
        }
        for (WeakReference<PoolEngine> each : closed) {
            if (each.get() != null) {
                Unreachable.require("a closed pool", each);
            }
        }
    }

    @Test
    void aPoolIsUnreachableOnceItNeedsNoSweepAnyMore() {
        WeakReference<PoolEngine> dropped = new WeakReference<>(newPool(TimeUnit.DAYS.toNanos(1)));
        System.gc();
        PoolEngine held = dropped.get();
        assertThat(held).as("a pool with idle memory, which a sweep will free").isNotNull();
        held.adjust(limits -> limits.withTrimIdleNanos(0), true);
        held = null;
        Unreachable.require("a pool without sweeps", dropped);
    }

    @Test
    void aPoolThatIsDroppedLosesItsFreeMemoryAndIsThenUnreachable() {
        WeakReference<PoolEngine> dropped = new WeakReference<>(newPool(TimeUnit.MILLISECONDS.toNanos(5)));
        Waiting.until("all memory is freed", () -> setup.source.allocatedBytes() == 0);
        Unreachable.await("the pool", dropped);
    }

    /** A trimmer on a timer of its own, whose threads and whose sweeps can fail. */
    private final class Trimming {
        final StateSetup pool = new StateSetup(setup);
        volatile boolean noThreads;
        volatile int failures;

        final IdleTrimmer trimmer;
        final Reclaimer reclaimer;

        Trimming() {
            var observer = new PoolObserver(setup.config());
            var timer = new DaemonTimer(this::start);
            var maintenance = new Reclaimer.Maintenance() {
                @Override
                public void schedule(long ticket, long delayNanos) {
                    if (failures > 0) {
                        failures--;
                        throw new StackOverflowError("before the sweep is scheduled");
                    }
                    trimmer.schedule(ticket, delayNanos);
                }

                @Override
                public void watchFences() {}
            };
            reclaimer = new Reclaimer(setup.source, pool.maintenance, observer, maintenance, timer);
            var retirement = new Retirement(false, pool.shards, pool.releases, observer, reclaimer);
            var reaper = new FenceReaper(pool.state, retirement);
            trimmer = new IdleTrimmer("pool", pool.maintenance, reaper, reclaimer, timer);
        }

        private void start(Runnable code) {
            if (noThreads) {
                throw new OutOfMemoryError("unable to create native thread");
            }
            DaemonThreads.run("timer", code);
        }

        /** Makes memory free, and schedules the sweep that this plans. */
        void free(Block block) {
            assertThat(pool.releases.endAndFree(block, block.generation())).isTrue();
            reclaimer.run();
        }

        /** Schedules the sweep that a transaction has planned. */
        void schedule(Leftover leftover) {
            assertThat(leftover.hasSweep()).as("a sweep is planned").isTrue();
            trimmer.schedule(leftover.sweepTicket(), leftover.sweepDelayNanos());
        }
    }

    @Test
    void withoutAThreadTheNextReleasePlansASweepAgain() {
        var trimming = new Trimming();
        Block first = trimming.pool.lease(PAGE);
        Block second = trimming.pool.lease(2 * PAGE);
        Block third = trimming.pool.lease(3 * PAGE);
        trimming.noThreads = true;
        trimming.free(first);
        assertThat(trimming.pool.maintenance.plannedSweep()).isEqualTo(SweepPlan.NONE);
        trimming.free(second);
        assertThat(trimming.pool.maintenance.plannedSweep()).isEqualTo(SweepPlan.NONE);
        trimming.noThreads = false;
        Waiting.until("the process is asked for a thread again", () -> {
            boolean swept = setup.source.allocatedBytes() == third.capacity();
            if (!swept && trimming.pool.maintenance.plannedSweep() == SweepPlan.NONE) {
                trimming.free(trimming.pool.lease(PAGE));
            }
            return swept;
        });
    }

    @Test
    void aSweepFollowsOneThatFails() {
        var trimming = new Trimming();
        trimming.failures = 2;
        // A fence that is not complete keeps sweeps planned.
        var fence = new FakeFence();
        trimming.schedule(trimming.pool.park(trimming.pool.lease(PAGE), fence));
        Waiting.until("two sweeps have failed", () -> trimming.failures == 0);
        fence.complete();
        Waiting.until("all memory is freed", () -> setup.source.allocatedBytes() == 0);
        log.await(2, "a sweep of pool pool failed; the next one follows");
        assertThat(log.origins()).hasOnlyElementsOfType(StackOverflowError.class);
    }
}
