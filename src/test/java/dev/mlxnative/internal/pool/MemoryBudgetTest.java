package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MemoryBudgetTest {
    /** 100 bytes in three buffers. */
    private final LimitSettings limits =
            PoolSetup.NO_LIMITS.withMemoryLimit(100).withBufferLimit(3);

    private final MemoryBudget budget = new MemoryBudget(limits);

    @Test
    void theMemoryLimitCanBeReservedToTheLastByte() {
        assertThat(budget.reserve(60)).isTrue();
        assertThat(budget.reserve(41)).isFalse();
        assertThat(budget.reserve(40)).isTrue();
        assertThat(budget.reserve(1)).isFalse();
    }

    @Test
    void theBufferLimitCanBeReservedToTheLastBuffer() {
        for (int i = 0; i < 3; i++) {
            assertThat(budget.reserve(1)).isTrue();
        }
        assertThat(budget.reserve(1)).isFalse();
    }

    @Test
    void aCancelledReservationCountsNoMore() {
        budget.reserve(100);
        budget.cancel(100);
        assertThat(budget.reserve(100)).isTrue();
        budget.cancel(100);
        for (int i = 0; i < 3; i++) {
            assertThat(budget.reserve(1)).as("buffer %s", i).isTrue();
        }
    }

    @Test
    void aBufferCountsUntilItIsFreed() {
        budget.reserve(100);
        budget.freeing(100);
        assertThat(budget.freeingBytes()).isEqualTo(100);
        assertThat(budget.reserve(1)).isFalse();
        budget.freed(100);
        assertThat(budget.freeingBytes()).isZero();
        assertThat(budget.reserve(100)).isTrue();
    }

    @Test
    void aRequestFitsWithoutTheBytesThatWouldBeEvicted() {
        budget.reserve(80);
        assertThat(budget.fitsWithout(0, 0, 20)).isTrue();
        assertThat(budget.fitsWithout(0, 0, 21)).isFalse();
        assertThat(budget.fitsWithout(30, 1, 50)).isTrue();
        assertThat(budget.fitsWithout(30, 1, 51)).isFalse();
    }

    @Test
    void aRequestFitsWithoutTheBuffersThatWouldBeEvicted() {
        budget.reserve(1);
        budget.reserve(1);
        assertThat(budget.fitsWithout(0, 0, 1)).isTrue();
        budget.reserve(1);
        assertThat(budget.fitsWithout(0, 0, 1)).isFalse();
        assertThat(budget.fitsWithout(1, 1, 1)).isTrue();
    }

    @Test
    void aRequestFitsWithoutWhatIsBeingFreed() {
        budget.reserve(50);
        budget.reserve(40);
        budget.reserve(10);
        budget.freeing(40);
        assertThat(budget.fitsWithout(0, 0, 40)).isTrue();
        assertThat(budget.fitsWithout(0, 0, 41)).isFalse();
        assertThat(budget.fitsWithout(10, 1, 50)).isTrue();
        budget.freed(40);
        assertThat(budget.fitsWithout(0, 0, 40)).as("it counts once").isTrue();
        assertThat(budget.fitsWithout(0, 0, 41)).isFalse();
        budget.reserve(1);
        assertThat(budget.fitsWithout(0, 0, 1)).as("three buffers are alive").isFalse();
    }

    @Test
    void theBufferLimitDeniesARequestIfItIsReachedWithoutWhatIsFree() {
        budget.reserve(20);
        budget.reserve(20);
        assertThat(budget.denialCause(0)).isEqualTo(DenialCause.MEMORY_LIMIT);
        budget.reserve(20);
        assertThat(budget.denialCause(0)).isEqualTo(DenialCause.BUFFER_LIMIT);
        assertThat(budget.denialCause(1)).isEqualTo(DenialCause.MEMORY_LIMIT);
        budget.freeing(20);
        assertThat(budget.denialCause(0)).isEqualTo(DenialCause.MEMORY_LIMIT);
        assertThat(budget.denialCause(-1)).isEqualTo(DenialCause.BUFFER_LIMIT);
    }

    @Test
    void aLimitThatWasLoweredIsExceeded() {
        budget.reserve(60);
        budget.reserve(40);
        assertThat(budget.isExceeded()).isFalse();
        budget.setLimits(limits.withMemoryLimit(99));
        assertThat(budget.isExceeded()).isTrue();
        budget.freeing(40);
        assertThat(budget.isExceeded()).as("not by what is being freed").isFalse();
        budget.setLimits(limits.withMemoryLimit(59));
        assertThat(budget.isExceeded()).isTrue();
    }

    @Test
    void aBufferLimitThatWasLoweredIsExceeded() {
        budget.reserve(10);
        budget.reserve(10);
        budget.setLimits(limits.withBufferLimit(2));
        assertThat(budget.isExceeded()).isFalse();
        budget.setLimits(limits.withBufferLimit(1));
        assertThat(budget.isExceeded()).isTrue();
        budget.freeing(10);
        assertThat(budget.isExceeded()).as("not by what is being freed").isFalse();
        budget.setLimits(limits.withBufferLimit(0));
        assertThat(budget.isExceeded()).isTrue();
    }

    @Test
    void leasesOfMoreThanHalfOfTheLimitAreUnderPressure() {
        assertThat(budget.isUnderPressure(50)).isFalse();
        assertThat(budget.isUnderPressure(51)).isTrue();
    }

    @Test
    void theLimitsCanBeReadAndChanged() {
        assertThat(budget.limits()).isEqualTo(limits);
        LimitSettings others = limits.withMemoryLimit(7);
        budget.setLimits(others);
        assertThat(budget.limits()).isEqualTo(others);
    }
}
