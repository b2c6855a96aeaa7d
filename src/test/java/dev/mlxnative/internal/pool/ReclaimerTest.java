package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.mlxnative.internal.background.DaemonThreads;
import dev.mlxnative.internal.background.DaemonTimer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What transactions leave to be done is done once, also if a part of it fails at first. */
class ReclaimerTest {
    private static final long IDLE_NANOS = 1000;

    private static final class Failure extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** Notes what it is asked for, and fails as often as a test says. */
    private static class FakeMaintenance implements Reclaimer.Maintenance {
        final List<String> calls = new ArrayList<>();
        private int failures;

        @Override
        public void schedule(long ticket, long delayNanos) {
            failIfTold();
            calls.add("sweep after " + delayNanos);
        }

        @Override
        public void watchFences() {
            failIfTold();
            calls.add("watch fences");
        }

        private void failIfTold() {
            if (failures > 0) {
                failures--;
                throw new Failure();
            }
        }
    }

    private final FakeMaintenance maintenance = new FakeMaintenance();
    private final FakeFence fence = new FakeFence();
    private PoolSetup setup;
    private FakeMemorySource source;
    private StateSetup pool;
    private Reclaimer reclaimer;

    ReclaimerTest() {
        use(new PoolSetup().withoutCache());
    }

    private void use(PoolSetup newSetup) {
        setup = newSetup;
        source = setup.source;
        pool = new StateSetup(setup);
        reclaimer = reclaimer(maintenance, new DaemonTimer(neverRun -> {}));
    }

    private Reclaimer reclaimer(Reclaimer.Maintenance ofPool, DaemonTimer timer) {
        return new Reclaimer(source, pool.maintenance, new PoolObserver(setup.config()), ofPool, timer);
    }

    @AfterEach
    void noTransactionLeavesTheLockLocked() {
        pool.requireUnlocked();
    }

    /** Ends leases, whose native buffers are then to be freed. */
    private void end(Block... blocks) {
        for (Block block : blocks) {
            assertThat(pool.releases.endAndFree(block, block.generation())).isTrue();
        }
    }

    private Block lease(long byteLength) {
        Block block = pool.lease(byteLength);
        source.takeSteps();
        return block;
    }

    private long freeingBytes() {
        return pool.allocations.deny(0).freeingBytes();
    }

    /** Has the source fail in one call for a memory, the first one being 1. */
    private void failInCall(int number) {
        var calls = new int[1];
        source.duringFreeing = () -> {
            if (++calls[0] == number) {
                throw new Failure();
            }
        };
    }

    @Test
    void nothingToDoIsDoneAtOnce() {
        reclaimer.run();
        assertThat(source.takeSteps()).isEmpty();
        assertThat(maintenance.calls).isEmpty();
    }

    @Test
    void memoryIsFreedAndCountsNoMore() {
        end(lease(PAGE), lease(2 * PAGE));
        assertThat(freeingBytes()).isEqualTo(3 * PAGE);
        reclaimer.run();
        assertThat(source.takeSteps()).containsExactly("free 16384", "free 32768");
        assertThat(freeingBytes()).isZero();
        assertThat(pool.state.hasBacklog()).isFalse();
        reclaimer.run();
        assertThat(source.takeSteps()).isEmpty();
    }

    @Test
    void memoryThatWasNeverCachedIsFreedToo() {
        Block leaked = pool.retire(lease(PAGE));
        pool.releases.dispose(leaked, new ReleaseTransactions.Disposal());
        reclaimer.run();
        assertThat(source.takeSteps()).containsExactly("free 16384");
    }

    @Test
    void memoryThatCouldNotBeFreedIsFreedByTheNextRun() {
        end(lease(PAGE), lease(2 * PAGE), lease(4 * PAGE));
        failInCall(2);
        assertThatThrownBy(reclaimer::run).isInstanceOf(Failure.class);
        assertThat(source.takeSteps()).containsExactly("free 16384");
        assertThat(pool.state.hasBacklog()).isTrue();
        assertThat(freeingBytes()).isEqualTo(6 * PAGE);
        end(lease(8 * PAGE));
        reclaimer.run();
        assertThat(source.takeSteps())
                .as("what another transaction left meanwhile, too")
                .containsExactlyInAnyOrder("free 32768", "free 65536", "free 131072");
        assertThat(freeingBytes()).isZero();
        assertThat(pool.state.hasBacklog()).isFalse();
    }

    @Test
    void memoryThatCouldNotBeFreedIsReportedOnce(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("trimmed.jfr");
        try (var recording = new Recording()) {
            recording.enable("dev.mlxnative.Trimmed");
            recording.start();
            end(lease(PAGE), lease(2 * PAGE));
            failInCall(2);
            assertThatThrownBy(reclaimer::run).isInstanceOf(Failure.class);
            reclaimer.run();
            recording.dump(file);
        }
        assertThat(freeingBytes()).isZero();
        assertThat(RecordingFile.readAllEvents(file))
                .extracting(event -> event.getLong("bytes"))
                .containsExactly(3 * PAGE);
    }

    @Test
    void whatFailedIsTriedAgainWithoutACall() {
        var retrying = reclaimer(maintenance, new DaemonTimer(code -> DaemonThreads.run("timer", code)));
        end(lease(PAGE), lease(2 * PAGE));
        failInCall(2);
        assertThatThrownBy(retrying::run).isInstanceOf(Failure.class);
        Waiting.until("all memory is freed", () -> source.allocatedBytes() == 0);
        Waiting.until("nothing is left", () -> freeingBytes() == 0);
    }

    @Test
    void aFailureForOneCauseLeavesTheOthers() {
        Block leaked = pool.retire(lease(PAGE));
        Block ended = lease(2 * PAGE);
        pool.releases.dispose(leaked, new ReleaseTransactions.Disposal());
        end(ended);
        failInCall(1);
        assertThatThrownBy(reclaimer::run).isInstanceOf(Failure.class);
        assertThat(source.takeSteps()).isEmpty();
        reclaimer.run();
        assertThat(source.takeSteps()).containsExactlyInAnyOrder("free 16384", "free 32768");
        assertThat(freeingBytes()).isZero();
    }

    @Test
    void aSweepIsScheduledOnce() {
        use(new PoolSetup().limits(limits -> limits.withTrimIdleNanos(IDLE_NANOS)));
        end(lease(PAGE));
        reclaimer.run();
        reclaimer.run();
        assertThat(maintenance.calls).containsExactly("sweep after 1000");
    }

    @Test
    void aSweepThatCouldNotBeScheduledIsScheduledByTheNextRun() {
        use(new PoolSetup().limits(limits -> limits.withTrimIdleNanos(IDLE_NANOS)));
        end(lease(PAGE));
        maintenance.failures = 1;
        assertThatThrownBy(reclaimer::run).isInstanceOf(Failure.class);
        assertThat(maintenance.calls).isEmpty();
        reclaimer.run();
        assertThat(maintenance.calls).containsExactly("sweep after 1000");
        assertThat(pool.state.hasBacklog()).isFalse();
    }

    @Test
    void aFailureOfTheSourceKeepsTheSweep() {
        use(new PoolSetup()
                .limits(limits -> limits.withTrimIdleNanos(IDLE_NANOS).withCacheLimit(PAGE)));
        end(lease(PAGE), lease(PAGE));
        failInCall(1);
        assertThatThrownBy(reclaimer::run).isInstanceOf(Failure.class);
        assertThat(maintenance.calls).isEmpty();
        reclaimer.run();
        assertThat(source.takeSteps()).containsExactly("free 16384");
        assertThat(maintenance.calls).containsExactly("sweep after 1000");
    }

    @Test
    void fencesThatCouldNotBeWatchedAreWatchedByTheNextRun() {
        Block block = pool.retire(lease(PAGE));
        pool.state.close();
        pool.releases.reserve(fence);
        pool.releases.park(block, fence);
        pool.releases.unreserve(fence);
        maintenance.failures = 2;
        assertThatThrownBy(reclaimer::run).isInstanceOf(Failure.class);
        assertThatThrownBy(reclaimer::run).isInstanceOf(Failure.class);
        reclaimer.run();
        assertThat(maintenance.calls).containsExactly("sweep after 1000000000", "watch fences");
        reclaimer.run();
        assertThat(maintenance.calls).hasSize(2);
    }

    @Test
    void aSweepThatWasScheduledIsNotScheduledAgainForTheSakeOfTheFences() {
        Block block = pool.retire(lease(PAGE));
        pool.state.close();
        pool.releases.reserve(fence);
        pool.releases.park(block, fence);
        pool.releases.unreserve(fence);
        var failing = new FakeMaintenance() {
            @Override
            public void watchFences() {
                throw new Failure();
            }
        };
        var failingReclaimer = reclaimer(failing, new DaemonTimer(neverRun -> {}));
        assertThatThrownBy(failingReclaimer::run).isInstanceOf(Failure.class);
        assertThat(failing.calls).containsExactly("sweep after 1000000000");
        reclaimer.run();
        assertThat(maintenance.calls).containsExactly("watch fences");
    }

    @Test
    void trimmingReturnsTheBytesThatItFrees() {
        use(new PoolSetup());
        end(lease(PAGE), lease(2 * PAGE));
        assertThat(reclaimer.trim(2 * PAGE, TrimCause.REQUESTED)).isEqualTo(PAGE);
        assertThat(source.takeSteps()).containsExactly("free 16384");
        assertThat(reclaimer.trim(0, TrimCause.REQUESTED)).isEqualTo(2 * PAGE);
        assertThat(source.takeSteps()).containsExactly("free 32768");
    }
}
