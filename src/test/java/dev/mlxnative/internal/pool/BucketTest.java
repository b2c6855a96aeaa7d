package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BucketTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final Bucket bucket = new Bucket(256);

    private Slab unused() {
        Slab slab = new Slab(source.allocate(PAGE), bucket);
        bucket.link(slab);
        return slab;
    }

    private Slab inUse() {
        Slab slab = new Slab(source.allocate(PAGE), bucket);
        slab.take();
        bucket.link(slab);
        return slab;
    }

    @Test
    void aNewBucketHasNoMemory() {
        assertThat(bucket.capacity()).isEqualTo(256);
        assertThat(bucket.first()).isNull();
        assertThat(bucket.isAbandoned()).isTrue();
    }

    @Test
    void aBucketIsAbandonedWhenItsLastSlabIsRemoved() {
        bucket.slabAdded();
        bucket.slabAdded();
        bucket.slabRemoved();
        assertThat(bucket.isAbandoned()).isFalse();
        bucket.slabRemoved();
        assertThat(bucket.isAbandoned()).isTrue();
    }

    @Test
    void slabsInUseComeBeforeUnusedOnes() {
        Slab inUse = inUse();
        Slab unused = unused();
        assertThat(bucket.first()).isSameAs(inUse);
        bucket.unlink(inUse);
        assertThat(bucket.first()).isSameAs(unused);
        bucket.unlink(unused);
        assertThat(bucket.first()).isNull();
    }

    @Test
    void amongEqualsTheSlabThatWasLinkedLastComesFirst() {
        Slab unused = unused();
        Slab laterUnused = unused();
        Slab inUse = inUse();
        Slab laterInUse = inUse();
        assertThat(bucket.first()).isSameAs(laterInUse);
        bucket.unlink(laterInUse);
        assertThat(bucket.first()).isSameAs(inUse);
        bucket.unlink(inUse);
        assertThat(bucket.first()).isSameAs(laterUnused);
        bucket.unlink(laterUnused);
        assertThat(bucket.first()).isSameAs(unused);
    }

    @Test
    void aSlabCanLeaveFromAnyPlace() {
        Slab last = inUse();
        Slab middle = inUse();
        Slab first = inUse();
        bucket.unlink(middle);
        assertThat(middle.next).isNull();
        assertThat(middle.previous).isNull();
        bucket.unlink(last);
        assertThat(bucket.first()).isSameAs(first);
        bucket.link(middle);
        assertThat(bucket.first()).isSameAs(middle);
        bucket.unlink(middle);
        bucket.unlink(first);
        assertThat(bucket.first()).isNull();
    }

    @Test
    void aSlabThatChangesItsStateChangesItsList() {
        Slab other = inUse();
        Slab slab = new Slab(source.allocate(PAGE), bucket);
        Block block = slab.take();
        bucket.link(slab);
        assertThat(bucket.first()).isSameAs(slab);
        bucket.unlink(slab);
        slab.free(block);
        bucket.link(slab);
        assertThat(bucket.first()).isSameAs(other);
    }
}
