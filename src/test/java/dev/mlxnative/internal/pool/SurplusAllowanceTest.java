package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class SurplusAllowanceTest {
    private final SurplusAllowance allowance = new SurplusAllowance(0.25, 0);

    private void allocate(int times, long capacity, long requests) {
        for (int i = 0; i < times; i++) {
            allowance.allocated(capacity, requests);
        }
    }

    @Test
    void itIsAShareOfThePeakOfLiveBytes() {
        allowance.leased(600);
        allowance.leased(400);
        allowance.ended(700);
        assertThat(allowance.liveBytes()).isEqualTo(300);
        assertThat(allowance.peakWith(700)).isEqualTo(1000);
        assertThat(allowance.bytesWith(700)).isEqualTo(250);
        assertThat(allowance.footprintWith(700)).isEqualTo(1250);
    }

    @Test
    void aRequestThatIsAPeakCounts() {
        allowance.leased(600);
        assertThat(allowance.peakWith(200)).isEqualTo(800);
        assertThat(allowance.bytesWith(200)).isEqualTo(200);
        assertThat(allowance.footprintWith(200)).isEqualTo(1000);
    }

    @Test
    void theFirstNativeAllocationsHaveNoPrice() {
        allowance.leased(1000);
        allocate(128, 10, 0);
        assertThat(allowance.bytesWith(0)).isEqualTo(250);
        allocate(1, 10, 0);
        assertThat(allowance.bytesWith(0)).isEqualTo(260);
    }

    @Test
    void oneNativeAllocationForFiftyRequestsIsNotTooMany() {
        allowance.leased(1000);
        allocate(128 + 20, 10, 1000);
        assertThat(allowance.bytesWith(0)).isEqualTo(250);
        allocate(1, 10, 1000);
        assertThat(allowance.bytesWith(0)).isEqualTo(260);
    }

    @Test
    void itRisesToTwiceTheShareAtMost() {
        allowance.leased(1000);
        allocate(1000, 100, 0);
        assertThat(allowance.bytesWith(0)).isEqualTo(500);
        allowance.leased(1000);
        assertThat(allowance.bytesWith(0)).as("what it was raised by stays").isEqualTo(800);
    }

    @Test
    void aShareOfZeroAllowsNothing() {
        var none = new SurplusAllowance(0, 0);
        none.leased(1000);
        for (int i = 0; i < 1000; i++) {
            none.allocated(100, 0);
        }
        assertThat(none.bytesWith(0)).isZero();
        assertThat(none.footprintWith(0)).isEqualTo(1000);
    }
}
