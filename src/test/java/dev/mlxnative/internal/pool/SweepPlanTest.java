package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class SweepPlanTest {
    private final SweepPlan plan = new SweepPlan();

    @Test
    void noSweepIsPlannedAtFirst() {
        assertThat(plan.isPlanned()).isFalse();
    }

    @Test
    void aDelayOfZeroPlansNothing() {
        assertThat(plan.plan(0, 5)).isNull();
        assertThat(plan.isPlanned()).isFalse();
    }

    @Test
    void aPlanKnowsItsDelayAndTheCountOfFrees() {
        Deferred.Sweep sweep = plan.plan(1000, 5);
        assertThat(sweep).isNotNull().extracting(Deferred.Sweep::delayNanos).isEqualTo(1000L);
        assertThat(plan.isPlanned()).isTrue();
        assertThat(plan.freesWhenPlanned()).isEqualTo(5);
        assertThat(plan.isDue(sweep.ticket())).isTrue();
    }

    @Test
    void aLaterPlanMakesAnEarlierOneVoid() {
        Deferred.Sweep earlier = plan.plan(1000, 5);
        Deferred.Sweep later = plan.plan(1000, 6);
        assertThat(earlier).isNotNull();
        assertThat(later).isNotNull();
        assertThat(plan.isDue(earlier.ticket())).isFalse();
        assertThat(plan.isDue(later.ticket())).isTrue();
    }

    @Test
    void aCancelledPlanIsNotDue() {
        Deferred.Sweep sweep = plan.plan(1000, 5);
        assertThat(sweep).isNotNull();
        plan.cancel();
        assertThat(plan.isPlanned()).isFalse();
        assertThat(plan.isDue(sweep.ticket())).isFalse();
    }
}
