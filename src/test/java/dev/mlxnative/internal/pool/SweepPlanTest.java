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
    void aPlanKnowsTheCountOfFrees() {
        long ticket = plan.plan(5);
        assertThat(ticket).isNotEqualTo(SweepPlan.NONE);
        assertThat(plan.isPlanned()).isTrue();
        assertThat(plan.freesWhenPlanned()).isEqualTo(5);
        assertThat(plan.isDue(ticket)).isTrue();
    }

    @Test
    void aLaterPlanMakesAnEarlierOneVoid() {
        long earlier = plan.plan(5);
        long later = plan.plan(6);
        assertThat(later).as("a backlog keeps the greater ticket").isGreaterThan(earlier);
        assertThat(plan.isDue(earlier)).isFalse();
        assertThat(plan.isDue(later)).isTrue();
    }

    @Test
    void aCancelledPlanIsNotDue() {
        long ticket = plan.plan(5);
        plan.cancel();
        assertThat(plan.isPlanned()).isFalse();
        assertThat(plan.isDue(ticket)).isFalse();
    }
}
