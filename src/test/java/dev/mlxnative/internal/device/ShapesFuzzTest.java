package dev.mlxnative.internal.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.code_intelligence.jazzer.mutation.annotation.NotNull;
import com.code_intelligence.jazzer.mutation.annotation.WithLength;
import dev.mlxnative.DType;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;

@Tag("fuzz")
class ShapesFuzzTest {
    private static final BigInteger MOST = BigInteger.valueOf(Long.MAX_VALUE);

    @FuzzTest
    void bytesAreTheProductOrRefused(@NotNull DType dtype, long @NotNull @WithLength(max = 8) [] shape) {
        BigInteger bytes = LongStream.of(shape)
                .mapToObj(BigInteger::valueOf)
                .reduce(BigInteger.valueOf(dtype.byteSize()), BigInteger::multiply);
        boolean possible = Arrays.stream(shape).allMatch(dimension -> dimension >= 0);
        if (possible && bytes.compareTo(MOST) <= 0) {
            assertThat(Shapes.byteLength(dtype, shape)).isEqualTo(bytes.longValueExact());
        } else {
            assertThatIllegalArgumentException().isThrownBy(() -> Shapes.byteLength(dtype, shape));
        }
    }
}
