package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashSet;
import java.util.HexFormat;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StampTest {

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1000, 4096, 4099})
    void noticesAChangeOfAnySingleByte(int size) {
        var contents = MemorySegment.ofArray(new byte[size]);
        var stamp = Stamp.ofLease(42);
        stamp.write(contents);
        assertThat(stamp.isIntact(contents)).isTrue();

        for (int i = 0; i < size; i++) {
            byte before = contents.get(ValueLayout.JAVA_BYTE, i);
            contents.set(ValueLayout.JAVA_BYTE, i, (byte) (before ^ 1));
            assertThat(stamp.isIntact(contents)).as("byte %d of %d", i, size).isFalse();
            contents.set(ValueLayout.JAVA_BYTE, i, before);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 8, 9, 15, 16, 17, 4099})
    void noticesAnotherStampOnEitherEnd(int size) {
        var contents = MemorySegment.ofArray(new byte[size]);
        var stamp = Stamp.ofLease(42);
        stamp.writeEnds(contents);
        assertThat(stamp.hasIntactEnds(contents)).isTrue();

        for (int i : new int[] {0, size - 1}) {
            byte before = contents.get(ValueLayout.JAVA_BYTE, i);
            contents.set(ValueLayout.JAVA_BYTE, i, (byte) (before ^ 1));
            assertThat(stamp.hasIntactEnds(contents))
                    .as("byte %d of %d", i, size)
                    .isFalse();
            contents.set(ValueLayout.JAVA_BYTE, i, before);
        }
        Stamp.ofLease(43).writeEnds(contents);
        assertThat(stamp.hasIntactEnds(contents)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8, 100})
    void differsForAnyTwoOf256LeasesInARow(int size) {
        var seen = new HashSet<String>();
        for (int lease = 1; lease <= 256; lease++) {
            var bytes = new byte[size];
            Stamp.ofLease(lease).write(MemorySegment.ofArray(bytes));
            seen.add(HexFormat.of().formatHex(bytes));
        }

        assertThat(seen).hasSize(256);
    }
}
