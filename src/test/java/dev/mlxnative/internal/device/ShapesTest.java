package dev.mlxnative.internal.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.mlxnative.DType;
import org.junit.jupiter.api.Test;

class ShapesTest {
    @Test
    void anEmptyShapeIsAScalar() {
        assertThat(Shapes.elementCount()).isEqualTo(1);
        assertThat(Shapes.byteLength(DType.F64)).isEqualTo(8);
    }

    @Test
    void elementsAreTheProduct() {
        assertThat(Shapes.elementCount(2, 3, 4)).isEqualTo(24);
        assertThat(Shapes.byteLength(DType.BF16, 2, 3, 4)).isEqualTo(48);
        assertThat(Shapes.elementCount(Long.MAX_VALUE, 1)).isEqualTo(Long.MAX_VALUE);
        assertThat(Shapes.byteLength(DType.U8, Long.MAX_VALUE)).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void aDimensionOfZeroLeavesNoElements() {
        assertThat(Shapes.elementCount(0)).isZero();
        assertThat(Shapes.elementCount(4, 0, 128)).isZero();
        assertThat(Shapes.elementCount(Long.MAX_VALUE, Long.MAX_VALUE, 0)).isZero();
        assertThat(Shapes.byteLength(DType.F32, 0, Long.MAX_VALUE)).isZero();
        Shapes.requireFits(0, DType.F32, 0, 128);
    }

    @Test
    void negativeDimensionsAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Shapes.elementCount(-1, -1))
                .withMessageContaining("[-1, -1]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Shapes.elementCount(0, -1))
                .withMessageContaining("[0, -1]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Shapes.elementCount(Long.MIN_VALUE, 0))
                .withMessageContaining("[-9223372036854775808, 0]");
    }

    @Test
    void productsBeyondALongAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Shapes.elementCount(1L << 32, 1L << 31))
                .withMessageContaining("[4294967296, 2147483648]");
        assertThatIllegalArgumentException().isThrownBy(() -> Shapes.elementCount(1L << 32, 1L << 32));
        assertThatIllegalArgumentException().isThrownBy(() -> Shapes.elementCount(Long.MAX_VALUE, Long.MAX_VALUE));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Shapes.byteLength(DType.U16, 1L << 62))
                .withMessageContaining("u16[4611686018427387904]");
    }

    @Test
    void elementsMustFit() {
        Shapes.requireFits(24, DType.F32, 2, 3);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Shapes.requireFits(23, DType.F32, 2, 3))
                .withMessage("f32[2, 3] takes 24 bytes, but there are 23");
    }
}
