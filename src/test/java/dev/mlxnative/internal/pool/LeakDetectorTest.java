package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.LeakDetection;
import dev.mlxnative.LogRecords;
import java.lang.ref.Cleaner;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Leases whose holder is unreachable. A test says so by cleaning, as the cleaner does. */
class LeakDetectorTest {
    private final List<LeakDetector.Leases> reported = new CopyOnWriteArrayList<>();
    private final List<Throwable> origins = new CopyOnWriteArrayList<>();
    private final LeakDetector detector = detector(LeakDetection.FULL);
    /** While this is set, leases do not end. */
    private volatile boolean inUse;

    @RegisterExtension
    final LogRecords log = new LogRecords();

    private LeakDetector detector(LeakDetection level) {
        return new LeakDetector(level, (leases, origin) -> {
            if (inUse) {
                throw new IllegalStateException("a native call uses the lease");
            }
            ((FakeLeases) leases).active = false;
            reported.add(leases);
            origins.add(origin);
        });
    }

    /** Leases that end when they are reported, or as a test says. */
    private static final class FakeLeases implements LeakDetector.Leases {
        private final boolean endWithReset;
        private volatile boolean active = true;

        private FakeLeases(boolean endWithReset) {
            this.endWithReset = endWithReset;
        }

        @Override
        public boolean areActive() {
            return active;
        }

        @Override
        public Block end() {
            throw new AssertionError("the detector ends nothing itself");
        }

        @Override
        public void complete() {
            throw new AssertionError("the detector ends nothing itself");
        }

        @Override
        public boolean endWithReset() {
            return endWithReset;
        }

        @Override
        public String toString() {
            return "a lease";
        }
    }

    private final FakeLeases lease = new FakeLeases(true);
    private final FakeLeases scope = new FakeLeases(false);
    private final Object holder = new Object();

    private Cleaner.Cleanable watch(FakeLeases leases) {
        return detector.watch(holder, leases);
    }

    @Test
    void theLevelSaysWhichLeasesAreWatched() {
        LeakDetector off = detector(LeakDetection.OFF);
        LeakDetector sampled = detector(LeakDetection.SAMPLED);
        int samples = 0;
        for (int i = 0; i < 50_900; i++) {
            assertThat(off.samples()).isFalse();
            samples += sampled.samples() ? 1 : 0;
        }
        assertThat(detector.samples()).isTrue();
        assertThat(samples).as("about 100").isBetween(40, 200);
    }

    @Test
    void activeLeasesWithoutAHolderAreReportedOnceWithTheirOrigin() {
        watch(lease).clean();
        assertThat(reported).containsExactly(lease);
        assertThat(origins).first().satisfies(origin -> {
            assertThat(origin).hasMessage("allocated here");
            assertThat(origin.getStackTrace())
                    .anyMatch(frame -> frame.getMethodName().equals("watch"));
        });
        detector.expectReset(false);
        assertThat(reported).hasSize(1);
        assertThat(detector.activeCount()).isZero();
    }

    @Test
    void theCleanerReportsAHolderThatIsUnreachable() {
        watchUnreachable();
        Waiting.until("the leak is reported", () -> {
            System.gc();
            return !reported.isEmpty();
        });
        assertThat(reported).containsExactly(lease);
    }

    @Test
    void aLeaseThatANativeCallUsesIsReportedWhenTheCallHasReturned() {
        inUse = true;
        watch(lease).clean();
        assertThat(reported).isEmpty();
        assertThat(detector.activeCount()).isEqualTo(1);
        assertThat(log.with("the leak detector failed for a lease; it tries again"))
                .hasSize(1);
        inUse = false;
        Waiting.until("the leak is reported", () -> {
            System.gc();
            return !reported.isEmpty();
        });
        assertThat(reported).containsExactly(lease);
        assertThat(detector.activeCount()).isZero();
    }

    @Test
    void aLeaseInUseDoesNotKeepThePoolFromClosing() {
        detector.expectReset(true);
        watch(lease).clean();
        inUse = true;
        detector.expectReset(false);
        assertThat(log.with("the leak detector failed")).hasSize(1);
        assertThat(detector.activeCount()).isEqualTo(1);
        inUse = false;
        Waiting.until("the leak is reported", () -> {
            System.gc();
            return !reported.isEmpty();
        });
        // The cleaner forgets the lease after its report.
        Waiting.until("the detector has forgotten the lease", () -> detector.awaitingResetCount() == 0);
    }

    private void watchUnreachable() {
        detector.watch(new Object(), lease);
    }

    @Test
    void leasesThatHaveEndedAreNotReported() {
        Cleaner.Cleanable watch = watch(lease);
        lease.active = false;
        watch.clean();
        assertThat(reported).isEmpty();
        lease.active = true;
        assertThat(detector.activeCount()).as("they are watched no more").isZero();
    }

    @Test
    void activeLeasesAreCounted() {
        watch(lease);
        watch(scope);
        assertThat(detector.activeCount()).isEqualTo(2);
        lease.active = false;
        assertThat(detector.activeCount()).isEqualTo(1);
    }

    @Test
    void whileAResetIsExpectedLeasesWithoutAHolderWaitForIt() {
        detector.expectReset(true);
        watch(lease).clean();
        assertThat(reported).isEmpty();
        assertThat(detector.awaitingResetCount()).isEqualTo(1);
        assertThat(detector.activeCount()).isEqualTo(1);
    }

    @Test
    void whileAResetIsExpectedLeasesThatItDoesNotEndAreReported() {
        detector.expectReset(true);
        watch(scope).clean();
        assertThat(reported).containsExactly(scope);
        assertThat(detector.awaitingResetCount()).isZero();
    }

    @Test
    void leasesThatTheResetHasEndedAreForgotten() {
        var other = new FakeLeases(true);
        detector.expectReset(true);
        watch(lease).clean();
        watch(other).clean();
        lease.active = false;
        detector.resetDone();
        assertThat(detector.awaitingResetCount()).isEqualTo(1);
        detector.expectReset(false);
        assertThat(reported).containsExactly(other);
    }

    @Test
    void leasesThatNoResetWillEndAreReported() {
        detector.expectReset(true);
        watch(lease).clean();
        detector.expectReset(false);
        assertThat(reported).containsExactly(lease);
        assertThat(detector.awaitingResetCount()).isZero();
        watch(new FakeLeases(true)).clean();
        assertThat(reported).as("at once from here on").hasSize(2);
    }

    @Test
    void leasesThatEndedBeforeTheyAreReportedAreNot() {
        detector.expectReset(true);
        watch(lease).clean();
        lease.active = false;
        detector.expectReset(false);
        assertThat(reported).isEmpty();
    }

    @Test
    void activeLeasesAreVisitedWithTheirOrigin() {
        detector.expectReset(true);
        watch(lease).clean();
        watch(scope);
        var ended = new FakeLeases(true);
        watch(ended);
        ended.active = false;
        List<LeakDetector.Leases> visited = new ArrayList<>();
        detector.forEachActive((leases, origin) -> {
            visited.add(leases);
            assertThat(origin).hasMessage("allocated here");
        });
        assertThat(visited).containsExactlyInAnyOrder(lease, scope);
    }
}
