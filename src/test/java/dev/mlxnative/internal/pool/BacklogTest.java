package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.internal.device.DeviceMemory;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class BacklogTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final Backlog backlog = new Backlog();

    private DeviceMemory freeing(TrimCause cause) {
        DeviceMemory memory = source.allocate(PAGE);
        backlog.free(memory, cause);
        return memory;
    }

    @Test
    void nothingIsLeftAtFirst() {
        assertThat(backlog.isEmpty()).isTrue();
        assertThat(Leftover.takenFrom(backlog)).isEqualTo(Leftover.NOTHING);
    }

    @Test
    void memoryToFreeIsKeptByItsCause() {
        DeviceMemory first = freeing(TrimCause.IDLE);
        DeviceMemory other = freeing(TrimCause.LIMIT);
        DeviceMemory second = freeing(TrimCause.IDLE);
        assertThat(backlog.isEmpty()).isFalse();
        assertThat(backlog.freeing(TrimCause.IDLE).bytes()).isEqualTo(2 * PAGE);
        assertThat(Leftover.takenFrom(backlog).freeing())
                .isEqualTo(Map.of(TrimCause.IDLE, List.of(first, second), TrimCause.LIMIT, List.of(other)));
    }

    @Test
    void aSweepIsKeptUntilItIsScheduled() {
        backlog.schedule(1, 1000);
        assertThat(backlog.isEmpty()).isFalse();
        assertThat(backlog.hasSweep()).isTrue();
        assertThat(backlog.sweepTicket()).isEqualTo(1);
        assertThat(backlog.sweepDelayNanos()).isEqualTo(1000);
        backlog.sweepScheduled();
        assertThat(backlog.hasSweep()).isFalse();
    }

    @Test
    void aSweepReplacesAnEarlierOne() {
        backlog.schedule(1, 1000);
        backlog.schedule(2, 7);
        assertThat(backlog.sweepTicket()).isEqualTo(2);
        assertThat(backlog.sweepDelayNanos()).isEqualTo(7);
    }

    @Test
    void fencesAreUnwatchedUntilThreadsWaitForThem() {
        backlog.watchFences();
        assertThat(backlog.isEmpty()).isFalse();
        assertThat(backlog.hasUnwatchedFences()).isTrue();
        backlog.fencesWatched();
        assertThat(backlog.hasUnwatchedFences()).isFalse();
    }

    @Test
    void everythingMovesToAnotherBacklog() {
        var other = new Backlog();
        DeviceMemory moved = source.allocate(PAGE);
        other.free(moved, TrimCause.IDLE);
        DeviceMemory memory = freeing(TrimCause.IDLE);
        DeviceMemory discarded = freeing(TrimCause.UNREPORTED);
        backlog.schedule(1, 1000);
        backlog.watchFences();
        backlog.moveTo(other);
        assertThat(backlog.isEmpty()).isTrue();
        assertThat(Leftover.takenFrom(backlog)).isEqualTo(Leftover.NOTHING);
        assertThat(other.isEmpty()).isFalse();
        assertThat(Leftover.takenFrom(other))
                .isEqualTo(new Leftover(
                        Map.of(TrimCause.IDLE, List.of(moved, memory), TrimCause.UNREPORTED, List.of(discarded)),
                        1,
                        1000,
                        true));
    }

    @Test
    void nothingMovesIfNothingIsLeft() {
        var other = new Backlog();
        backlog.moveTo(other);
        assertThat(other.isEmpty()).isTrue();
        DeviceMemory memory = source.allocate(PAGE);
        other.free(memory, TrimCause.IDLE);
        other.schedule(1, 1000);
        other.watchFences();
        backlog.moveTo(other);
        assertThat(other.isEmpty()).isFalse();
        assertThat(Leftover.takenFrom(other))
                .isEqualTo(new Leftover(Map.of(TrimCause.IDLE, List.of(memory)), 1, 1000, true));
    }

    /** A thread returns what it could not do, while another has planned a later sweep, which makes the first void. */
    @Test
    void theLaterSweepIsKeptIfTwoMeet() {
        var taken = new Backlog();
        backlog.schedule(1, 1000);
        backlog.moveTo(taken);
        backlog.schedule(2, 7);
        taken.moveTo(backlog);
        assertThat(backlog.sweepTicket()).isEqualTo(2);
        assertThat(backlog.sweepDelayNanos()).isEqualTo(7);
        var later = new Backlog();
        later.schedule(3, 8);
        later.moveTo(backlog);
        assertThat(backlog.sweepTicket()).isEqualTo(3);
        assertThat(backlog.sweepDelayNanos()).isEqualTo(8);
    }

    @Test
    void aBacklogThatWasMovedTakesMore() {
        freeing(TrimCause.IDLE);
        backlog.moveTo(new Backlog());
        DeviceMemory next = freeing(TrimCause.IDLE);
        assertThat(backlog.isEmpty()).isFalse();
        assertThat(Leftover.takenFrom(backlog)).isEqualTo(Leftover.of(TrimCause.IDLE, next));
    }
}
