package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class TraceClockTest {

    private static final double HOUR = 3_600e6;

    private final TraceClock clock = new TraceClock();

    @Test
    void measuresFromTheEarliestEventToTheLatest() {
        clock.at(1_000);
        clock.at(5_000);
        clock.at(4_000);
        clock.at(900);

        assertThat(clock.micros()).isEqualTo(4_100);
    }

    @Test
    void showsNothingWithoutTimes() {
        clock.at(Double.NaN);
        clock.at(Double.POSITIVE_INFINITY);

        assertThat(clock.micros()).isZero();
    }

    @Test
    void passesMidnight() {
        clock.at(23 * HOUR);
        clock.at(HOUR);
        clock.at(23 * HOUR);
        clock.at(2 * HOUR);

        assertThat(clock.micros()).isEqualTo((long) (27 * HOUR));
    }

    @Test
    void addsTheTimesOfProcesses() {
        clock.at(100);
        clock.at(200);
        clock.startAgain();
        clock.at(1_000_000);
        clock.at(1_000_050);

        assertThat(clock.micros()).isEqualTo(150);
    }
}
