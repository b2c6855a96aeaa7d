package dev.mlxnative.internal.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Offers of contents to the system, and their ends. */
class DeviceMemoryTest {
    private static final byte LEFT = 7;

    /** Notes each change of the state, which fails or finds contents taken if a test says so. */
    private static final class RecordingBacking implements Backing {
        final List<String> calls = new ArrayList<>();
        boolean taken;
        boolean refuses;

        @Nullable
        Error error;

        @Override
        public BufferObject covering(long offset, long length) {
            throw new AssertionError("an offer needs no buffer object");
        }

        @Override
        public boolean isCopy() {
            return false;
        }

        @Override
        public void removeLabel() {
            calls.add("remove label");
        }

        @Override
        public boolean setVolatile(boolean isVolatile) {
            if (refuses) {
                throw new UnsupportedOperationException("refused");
            }
            calls.add(isVolatile ? "volatile" : "non-volatile");
            if (error != null) {
                throw error;
            }
            return !isVolatile && taken;
        }

        @Override
        public void release() {
            calls.add("release");
        }
    }

    private final RecordingBacking backing = new RecordingBacking();
    private final DeviceMemory memory = newMemory();

    private DeviceMemory newMemory() {
        Arena access = Arena.ofShared();
        MemorySegment segment = access.allocate(16);
        segment.fill(LEFT);
        return new DeviceMemory(access, segment, backing);
    }

    private byte firstByte() {
        return memory.segment().get(ValueLayout.JAVA_BYTE, 0);
    }

    private void offer() {
        DeviceMemory.acceptOffers(memory.offer(null));
    }

    @Test
    void anOfferLastsUntilItIsTakenBack() {
        assertThat(memory.isOffered()).isFalse();
        offer();
        assertThat(memory.isOffered()).isTrue();
        assertThat(memory.takeBack(true)).isFalse();
        assertThat(memory.isOffered()).isFalse();
        assertThat(backing.calls).containsExactly("volatile", "non-volatile");
        assertThat(firstByte()).isEqualTo(LEFT);
    }

    @Test
    void anOfferThatIsTakenBackFirstIsNotAccepted() {
        assertThat(memory.takeBack(true)).isFalse();
        DeviceMemory offered = memory.offer(null);
        assertThat(memory.takeBack(true)).isFalse();
        DeviceMemory.acceptOffers(offered);
        assertThat(backing.calls).isEmpty();
    }

    @Test
    void anAcceptedOfferIsNotMadeAgain() {
        offer();
        assertThat(memory.offer(null)).isNull();
        assertThat(memory.isOffered()).isTrue();
    }

    @Test
    void aChainOfOffersIsAcceptedAsAWhole() {
        DeviceMemory second = newMemory();
        DeviceMemory.acceptOffers(second.offer(memory.offer(null)));
        assertThat(backing.calls).containsExactly("volatile", "volatile");
    }

    @Test
    void takenContentsAreFoundOnceAndCleared() {
        offer();
        backing.taken = true;
        assertThat(memory.takeBack(true)).isTrue();
        assertThat(firstByte()).isZero();
        assertThat(memory.takeBack(true)).isFalse();
    }

    @Test
    void takenContentsAreNotClearedIfTheCallerDoesNotWantThat() {
        offer();
        backing.taken = true;
        assertThat(memory.takeBack(false)).isTrue();
        assertThat(firstByte()).isEqualTo(LEFT);
    }

    @Test
    void aDeviceThatRefusesAnOfferKeepsTheContents() {
        backing.refuses = true;
        offer();
        assertThat(memory.isOffered()).isFalse();
    }

    @Test
    void memoryThatCannotBeTakenBackStaysOffered() {
        offer();
        backing.refuses = true;
        assertThatThrownBy(() -> memory.takeBack(true)).isInstanceOf(UnsupportedOperationException.class);
        assertThat(memory.isOffered()).isTrue();
        backing.refuses = false;
        backing.taken = true;
        assertThat(memory.takeBack(true)).isTrue();
        assertThat(memory.isOffered()).isFalse();
    }

    @Test
    void memoryWhoseOfferEndedWithAnErrorIsTakenBack() {
        backing.error = new OutOfMemoryError("after the native call");
        assertThatThrownBy(this::offer).isSameAs(backing.error);
        backing.error = null;
        assertThat(memory.isOffered()).isTrue();
        memory.takeBack(true);
        assertThat(backing.calls).containsExactly("volatile", "non-volatile");
    }

    @Test
    void anOfferOfMemoryThatIsFreedIsNotAccepted() {
        DeviceMemory offered = memory.offer(null);
        assertThat(memory.tryFree()).isTrue();
        DeviceMemory.acceptOffers(offered);
        assertThat(backing.calls).containsExactly("release");
    }
}
