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
        long ticket = plan.plan(5, 100, 0);
        assertThat(ticket).isNotEqualTo(SweepPlan.NONE);
        assertThat(plan.isPlanned()).isTrue();
        assertThat(plan.delayNanos()).isEqualTo(100);
        assertThat(plan.toTrim.freesAtStart()).isEqualTo(5);
        assertThat(plan.isDue(ticket)).isTrue();
    }

    @Test
    void aLaterPlanMakesAnEarlierOneVoid() {
        long earlier = plan.plan(5, 100, 0);
        long later = plan.plan(6, 100, 0);
        assertThat(later).as("a backlog keeps the greater ticket").isGreaterThan(earlier);
        assertThat(plan.isDue(earlier)).isFalse();
        assertThat(plan.isDue(later)).isTrue();
    }

    @Test
    void aCancelledPlanIsNotDueAndItsTimeBeginsAnew() {
        long ticket = plan.plan(5, 100, 30);
        plan.cancel();
        assertThat(plan.isPlanned()).isFalse();
        assertThat(plan.isDue(ticket)).isFalse();
        plan.plan(6, 0, 40);
        assertThat(plan.delayNanos()).isEqualTo(40);
        assertThat(plan.toOffer.freesAtStart()).isEqualTo(6);
        plan.begin();
        assertThat(plan.toTrim.stopIfOver()).isFalse();
    }

    @Test
    void eachCountdownIsOverAfterItsOwnTime() {
        plan.plan(5, 100, 30);
        for (int sweep = 1; sweep <= 3; sweep++) {
            assertThat(plan.delayNanos()).isEqualTo(30);
            plan.begin();
            assertThat(plan.isPlanned()).isFalse();
            assertThat(plan.toTrim.stopIfOver()).isFalse();
            assertThat(plan.toOffer.stopIfOver()).isTrue();
            assertThat(plan.toOffer.stopIfOver()).as("it has stopped").isFalse();
            plan.plan(5 + sweep, 100, 30);
            assertThat(plan.toOffer.freesAtStart()).isEqualTo(5 + sweep);
            assertThat(plan.toTrim.freesAtStart()).isEqualTo(5);
        }
        assertThat(plan.delayNanos()).isEqualTo(10);
        plan.begin();
        assertThat(plan.toOffer.stopIfOver()).isFalse();
        assertThat(plan.toTrim.stopIfOver()).isTrue();
        plan.plan(20, 100, 30);
        assertThat(plan.delayNanos()).isEqualTo(20);
        assertThat(plan.toTrim.freesAtStart()).isEqualTo(20);
        assertThat(plan.toOffer.freesAtStart()).isEqualTo(8);
    }
}
