package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.internal.device.DeviceMemory;
import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class SegregatedFreeListsTest {
    private static final long PAGE = FakeMemorySource.PAGE;

    private final FakeMemorySource source = new FakeMemorySource();
    private final SegregatedFreeLists lists = new SegregatedFreeLists(PAGE);
    /** Powers of two up to four pages, whole pages above. */
    private final SizeRounding rounding = new SizeRounding(256, 4 * PAGE, PAGE, FakeMemorySource.MAX_BUFFER_LENGTH);

    private Block free(long capacity) {
        return free(capacity, false);
    }

    private Block free(long capacity, boolean evictFirst) {
        Block block = lists.addNew(rounding, source.allocate(capacity), capacity);
        lists.free(block, evictFirst);
        return block;
    }

    private Block take(long byteLength) {
        return lists.take(rounding, byteLength, false);
    }

    @Test
    void anEmptySpaceServesNothing() {
        assertThat(take(256)).isNull();
        assertThat(lists.evict()).isNull();
        assertThat(lists.evictableSince()).isEqualTo(Long.MAX_VALUE);
        assertThat(lists.count()).isZero();
        assertThat(lists.bytes()).isZero();
    }

    @Test
    void newMemoryIsOneBlock() {
        Block block = lists.addNew(rounding, source.allocate(2 * PAGE), 2 * PAGE - 1);
        assertThat(block.capacity()).isEqualTo(2 * PAGE);
        assertThat(block.offset()).isZero();
        assertThat(lists.count()).as("it is leased, not free").isZero();
    }

    @Test
    void aRequestIsServedByItsBucketAlone() {
        free(PAGE);
        Block fitting = free(2 * PAGE);
        free(4 * PAGE);
        assertThat(take(2 * PAGE - 1)).isSameAs(fitting);
        assertThat(take(2 * PAGE - 1)).isNull();
    }

    @Test
    void theBlockThatBecameFreeLastIsTakenFirst() {
        Block first = free(2 * PAGE);
        Block second = free(2 * PAGE);
        assertThat(take(2 * PAGE)).isSameAs(second);
        assertThat(take(2 * PAGE)).isSameAs(first);
    }

    @Test
    void pagesAreServedByTheSmallestMemoryThatIsUpToAnEighthLarger() {
        free(25 * PAGE);
        Block larger = free(23 * PAGE);
        Block largest = free(24 * PAGE);
        assertThat(take(22 * PAGE)).isSameAs(larger);
        assertThat(take(22 * PAGE)).isSameAs(largest);
        assertThat(take(22 * PAGE)).as("25 pages are too many for 22").isNull();
    }

    @Test
    void pagesAreServedByMemoryOfExactlyTheLargestSize() {
        Block largest = free(27 * PAGE);
        assertThat(take(24 * PAGE)).isSameAs(largest);
    }

    @Test
    void pagesAreServedByAtMostTheirPowerOfTwo() {
        free(9 * PAGE);
        assertThat(take(8 * PAGE)).isNull();
    }

    private boolean isObstructed(long byteLength, long requests) {
        return lists.isObstructed(rounding, byteLength, false, requests);
    }

    private @Nullable DeviceMemory evictObstacle(long byteLength, long requests) {
        return lists.evictObstacle(rounding, byteLength, false, requests);
    }

    /** Lengths of one power of two, one after another: a plain power of two would hold one buffer. */
    @Test
    void unusedMemoryGoesThatPowersOfTwoWouldNotHold() {
        Block block = free(10 * PAGE);
        assertThat(isObstructed(14 * PAGE, 0))
                .as("10 and 14 pages are more than 16")
                .isTrue();
        assertThat(isObstructed(6 * PAGE, 0)).as("8 pages beside 16").isFalse();
        assertThat(evictObstacle(6 * PAGE, 0)).isNull();
        assertThat(evictObstacle(14 * PAGE, 0)).isSameAs(block.memory());
        assertThat(evictObstacle(14 * PAGE, 0)).isNull();
    }

    @Test
    void theLargestUnusedMemoryGoesFirstAndOfEqualsTheOldest() {
        free(256);
        Block small = free(17 * PAGE);
        Block older = free(30 * PAGE);
        Block newer = free(30 * PAGE);
        assertThat(evictObstacle(31 * PAGE, 0)).isSameAs(older.memory());
        assertThat(evictObstacle(31 * PAGE, 0)).isSameAs(newer.memory());
        assertThat(evictObstacle(31 * PAGE, 0)).isSameAs(small.memory());
        assertThat(evictObstacle(31 * PAGE, 0))
                .as("a page that small leases share")
                .isNull();
    }

    @Test
    void requestsPayForTheEvictionOfMemoryThatPowersOfTwoWouldHold() {
        free(2 * PAGE);
        Block block = free(4 * PAGE);
        long paid = PlainBound.REQUESTS_PER_EVICTION;
        assertThat(evictObstacle(8 * PAGE, paid - 1)).as("not paid").isNull();
        assertThat(evictObstacle(8 * PAGE, paid)).isSameAs(block.memory());
        assertThat(evictObstacle(8 * PAGE, 2 * paid - 1)).as("paid before").isNull();
    }

    @Test
    void smallRequestsAreNeverObstructed() {
        free(4 * PAGE);
        free(2 * PAGE);
        assertThat(isObstructed(PAGE / 2, Long.MAX_VALUE)).isFalse();
        assertThat(isObstructed(PAGE, Long.MAX_VALUE)).isTrue();
    }

    @Test
    void pagesAreNotServedByMemoryThatIsSmaller() {
        free(22 * PAGE);
        assertThat(take(22 * PAGE + 1)).isNull();
    }

    @Test
    void underPressureAPowerOfTwoIsNotUsedForMuchLess() {
        Block powerOfTwo = free(4 * PAGE);
        assertThat(lists.take(rounding, 2 * PAGE + 1, true)).isNull();
        assertThat(lists.take(rounding, 3 * PAGE + 1, true)).isSameAs(powerOfTwo);
    }

    @Test
    void newMemoryIsRoundedToPagesUnderPressure() {
        assertThat(lists.capacityForNew(rounding, 2 * PAGE + 1, false)).isEqualTo(4 * PAGE);
        assertThat(lists.capacityForNew(rounding, 2 * PAGE + 1, true)).isEqualTo(3 * PAGE);
        assertThat(lists.leastCapacityForNew(rounding, 2 * PAGE + 1)).isEqualTo(3 * PAGE);
    }

    @Test
    void evictionGoesByTheOrderOfBecomingFreeOverAllBuckets() {
        Block first = free(4 * PAGE);
        Block second = free(2 * PAGE);
        Block third = free(4 * PAGE);
        assertThat(lists.evictableSince()).isEqualTo(1);
        assertThat(lists.evict()).isSameAs(first.memory());
        assertThat(lists.evictableSince()).isEqualTo(2);
        assertThat(lists.evict()).isSameAs(second.memory());
        assertThat(lists.evict()).isSameAs(third.memory());
        assertThat(lists.evict()).isNull();
    }

    @Test
    void aBlockCanBeMarkedForEvictionBeforeAllOthers() {
        Block first = free(2 * PAGE);
        Block marked = free(4 * PAGE, true);
        Block alsoMarked = free(4 * PAGE, true);
        assertThat(lists.evictableSince()).isZero();
        assertThat(lists.frees()).isEqualTo(3);
        assertThat(lists.evict()).isSameAs(alsoMarked.memory());
        assertThat(lists.evict()).isSameAs(marked.memory());
        assertThat(lists.evict()).isSameAs(first.memory());
        assertThat(lists.evict()).isNull();
    }

    @Test
    void aMarkedBlockCanBeTheOnlyOne() {
        Block marked = free(4 * PAGE, true);
        Block next = free(2 * PAGE);
        assertThat(lists.evict()).isSameAs(marked.memory());
        assertThat(lists.evict()).isSameAs(next.memory());
    }

    @Test
    void takingABlockFromTheMiddleKeepsTheOrderOfEviction() {
        Block first = free(2 * PAGE);
        Block middle = free(4 * PAGE);
        Block last = free(8 * PAGE);
        assertThat(take(4 * PAGE)).isSameAs(middle);
        assertThat(lists.evict()).isSameAs(first.memory());
        assertThat(lists.evict()).isSameAs(last.memory());
        assertThat(lists.evict()).isNull();
    }

    @Test
    void takingTheEndsKeepsTheOrderOfEviction() {
        Block first = free(2 * PAGE);
        Block middle = free(4 * PAGE);
        Block last = free(8 * PAGE);
        assertThat(take(2 * PAGE)).isSameAs(first);
        assertThat(take(8 * PAGE)).isSameAs(last);
        Block next = free(8 * PAGE);
        assertThat(lists.evict()).isSameAs(middle.memory());
        assertThat(lists.evict()).isSameAs(next.memory());
    }

    @Test
    void aBlockThatIsTakenAndFreedAgainIsTheNewest() {
        Block first = free(2 * PAGE);
        Block second = free(4 * PAGE);
        lists.free(take(2 * PAGE), false);
        assertThat(lists.frees()).isEqualTo(3);
        assertThat(lists.evict()).isSameAs(second.memory());
        assertThat(lists.evictableSince()).isEqualTo(3);
        assertThat(lists.evict()).isSameAs(first.memory());
    }

    @Test
    void allFreeMemoryIsCountedAndEvictable() {
        free(2 * PAGE);
        free(3 * PAGE);
        assertThat(lists.count()).isEqualTo(2);
        assertThat(lists.bytes()).isEqualTo(5 * PAGE);
        assertThat(lists.evictableCount()).isEqualTo(2);
        assertThat(lists.evictableBytes()).isEqualTo(5 * PAGE);
        take(2 * PAGE);
        assertThat(lists.count()).isEqualTo(1);
        assertThat(lists.bytes()).isEqualTo(3 * PAGE);
        lists.evict();
        assertThat(lists.evictableCount()).isZero();
        assertThat(lists.evictableBytes()).isZero();
    }

    @Test
    void aPageRoundedBucketIsForgottenWhenItIsEmpty() {
        Block small = free(22 * PAGE);
        Block sameSize = free(22 * PAGE);
        Block large = free(23 * PAGE);
        assertThat(take(21 * PAGE + 1)).isSameAs(sameSize);
        assertThat(take(21 * PAGE + 1)).isSameAs(small);
        assertThat(take(21 * PAGE + 1)).as("the next larger bucket").isSameAs(large);
        assertThat(take(21 * PAGE + 1)).isNull();
        free(22 * PAGE);
        assertThat(take(21 * PAGE + 1)).isNotNull();
    }

    /** They would add up, one for each length that was ever requested. */
    @Test
    void aPageRoundedBucketWithoutMemoryIsRemovedWhenAnotherIsMade() {
        Reference<Bucket> abandoned = bucketOf(22 * PAGE);
        Block leased = lists.addNew(rounding, source.allocate(24 * PAGE), 24 * PAGE);
        assertThat(lists.evict()).isNotNull();
        Waiting.until("the bucket is garbage", () -> {
            lists.evict();
            bucketOf(23 * PAGE);
            System.gc();
            return abandoned.refersTo(null);
        });
        lists.free(leased, false);
        assertThat(take(24 * PAGE)).as("its bucket has stayed").isSameAs(leased);
        Block sameSizeAgain = free(22 * PAGE);
        assertThat(take(22 * PAGE)).isSameAs(sameSizeAgain);
    }

    private Reference<Bucket> bucketOf(long capacity) {
        return new WeakReference<>(((Slab) free(capacity).division()).bucket());
    }

    @Test
    void aBlockIsNeverQuarantinedWithOthers() {
        Block leaked = lists.addNew(rounding, source.allocate(2 * PAGE), 2 * PAGE - 1);
        assertThat(lists.quarantine(leaked)).isSameAs(leaked.memory());
        assertThat(lists.hasDrained()).isFalse();
    }
}
