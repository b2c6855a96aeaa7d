package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.LogRecords;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class FenceReaperTest {
    private static final String FAILURE = "FakeFence failed: the memory that is parked with it stays parked";
    private static final int MAX_WATCHERS = 8;

    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final PoolSetup setup = new PoolSetup();
    private final FakeFence fence = new FakeFence();
    private PoolEngine pool = setup.engine();

    private Block parked(FakeFence withFence) {
        Lease lease = Lease.of(pool, PAGE);
        lease.endWith(withFence);
        return lease.block();
    }

    private static List<FakeFence> fences(int count) {
        return Stream.generate(FakeFence::new).limit(count).toList();
    }

    private static int waiting(List<FakeFence> fences) {
        return fences.stream().mapToInt(FakeFence::waiting).sum();
    }

    /** Parks memory with each of these fences, as much as the limit allows, and requests more. */
    private Request requestParkedMemory(List<FakeFence> fences) {
        pool = setup.limits(limits -> limits.withBufferLimit(fences.size()).withWaitNanos(TimeUnit.HOURS.toNanos(1)))
                .engine();
        List<Lease> leases =
                fences.stream().map(ignored -> Lease.of(pool, PAGE)).toList();
        for (int i = 0; i < fences.size(); i++) {
            leases.get(i).endWith(fences.get(i));
        }
        return Request.of(pool, PAGE);
    }

    @Test
    void memoryIsFreeWhenItsFenceIsComplete() {
        var other = new FakeFence();
        parked(fence);
        parked(other);
        fence.complete();
        assertThat(pool.stats()).returns(1, stats -> stats.parkedCount()).returns(1, stats -> stats.cachedCount());
        assertThat(fence.retains()).isZero();
        assertThat(other.retains()).isEqualTo(1);
    }

    @Test
    void aFenceIsNotAskedOnceNothingWaitsForIt() {
        parked(fence);
        fence.complete();
        pool.stats();
        int questions = fence.questions();
        pool.stats();
        assertThat(fence.questions()).isEqualTo(questions);
    }

    @Test
    void theMemoryOfAFailedFenceStaysParkedWithOneWarning() {
        parked(fence);
        fence.failing = true;
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        assertThat(log.with(FAILURE)).hasSize(1);
        assertThat(log.origins()).hasOnlyElementsOfType(FakeFence.Failure.class);
    }

    @Test
    void aFailedFenceDoesNotKeepOthersFromBeingReaped() {
        List<FakeFence> others = fences(10);
        others.forEach(this::parked);
        parked(fence);
        fence.failing = true;
        others.forEach(FakeFence::complete);
        assertThat(pool.stats().parkedCount()).isEqualTo(1);
        log.await(1, FAILURE);
    }

    @Test
    void aFenceThatRecoversFreesItsMemory() {
        parked(fence);
        fence.failing = true;
        pool.stats();
        fence.failing = false;
        fence.complete();
        assertThat(pool.stats().parkedCount()).isZero();
        log.await(1, FAILURE);
    }

    @Test
    void theOldestFencesAreWatchedWhileARequestNeedsThem() throws Exception {
        List<FakeFence> fences = fences(MAX_WATCHERS + 2);
        Request request = requestParkedMemory(fences);
        Waiting.until("eight threads wait", () -> waiting(fences) == MAX_WATCHERS);
        assertThat(fences.subList(0, MAX_WATCHERS)).allMatch(each -> each.waiting() == 1);
        fences.get(MAX_WATCHERS + 1).complete();
        assertThat(request.get().isActive())
                .as("a fence that no thread watches serves the request, too")
                .isTrue();
        fences.forEach(FakeFence::complete);
    }

    @Test
    void aFenceThatAThreadHasAwaitedServesTheRequest() throws Exception {
        List<FakeFence> fences = fences(2);
        Request request = requestParkedMemory(fences);
        Waiting.until("both are watched", () -> waiting(fences) == 2);
        fences.get(1).complete();
        assertThat(request.get().isActive()).isTrue();
        fences.get(0).complete();
        Waiting.until("all memory is free", () -> pool.snapshot().parkedCount() == 0);
    }

    @Test
    void aThreadThatNoRequestNeedsAnyMoreEnds() {
        List<FakeFence> fences = fences(MAX_WATCHERS + 1);
        Request request = requestParkedMemory(fences);
        Waiting.until("eight threads wait", () -> waiting(fences) == MAX_WATCHERS);
        request.thread().interrupt();
        assertThatThrownBy(request::get).hasCauseInstanceOf(BufferAllocationException.class);
        fences.get(0).complete();
        Waiting.untilEnded(fences.get(0).lastWaiter());
        assertThat(pool.snapshot().cachedCount())
                .as("the thread has reaped its fence")
                .isEqualTo(1);
        assertThat(fences.get(MAX_WATCHERS).waiting())
                .as("and watches no other")
                .isZero();
        fences.forEach(FakeFence::complete);
    }

    @Test
    void theFencesOfAClosedPoolAreWatchedUntilAllMemoryIsFreed() {
        List<FakeFence> fences = fences(MAX_WATCHERS + 1);
        fences.forEach(this::parked);
        pool.close();
        Waiting.until("eight threads wait", () -> waiting(fences) == MAX_WATCHERS);
        FakeFence ninth = fences.get(MAX_WATCHERS);
        assertThat(ninth.waiting()).isZero();
        fences.get(3).complete();
        Waiting.until("the thread watches the ninth fence", () -> ninth.waiting() == 1);
        assertThat(ninth.lastWaiter()).isSameAs(fences.get(3).lastWaiter());
        fences.forEach(FakeFence::complete);
        Waiting.until("all memory is freed", () -> setup.source.allocatedBytes() == 0);
    }

    @Test
    void aThreadThatHasEndedLeavesRoomForAnother() {
        List<Lease> leases = Stream.generate(() -> Lease.of(pool, PAGE))
                .limit(3 * MAX_WATCHERS)
                .toList();
        pool.close();
        assertThat(log.with("was closed with 24 active buffer(s)")).hasSize(1);
        for (Lease lease : leases) {
            var next = new FakeFence();
            lease.endWith(next);
            Waiting.until("a thread waits", () -> next.waiting() == 1);
            next.complete();
            Waiting.untilEnded(next.lastWaiter());
        }
        assertThat(setup.source.allocatedBytes()).isZero();
    }

    @Test
    void aFenceThatCannotBeAwaitedIsReported() {
        Lease lease = Lease.of(pool, PAGE);
        pool.close();
        assertThat(log.with("was closed with 1 active buffer(s)")).hasSize(1);
        fence.failingToAwait = true;
        lease.endWith(fence);
        log.await(1, FAILURE);
        fence.complete();
        assertThat(pool.stats().parkedCount()).isZero();
    }
}
