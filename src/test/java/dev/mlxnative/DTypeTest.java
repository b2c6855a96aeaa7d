package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DTypeTest {
    @ParameterizedTest
    @CsvSource({
        "F32, 4, f32", "F16, 2, f16", "BF16, 2, bf16", "U8, 1, u8", "U16, 2, u16", "U32, 4, u32", "I32, 4, i32",
        "BOOL, 1, bool", "I8, 1, i8", "I16, 2, i16", "I64, 8, i64", "U64, 8, u64", "F64, 8, f64", "C64, 8, c64"
    })
    void hasItsSizeAndName(DType dtype, int byteSize, String name) {
        assertThat(dtype.byteSize()).isEqualTo(byteSize);
        assertThat(dtype).hasToString(name);
        assertThat(DType.fromSafetensors(dtype.name())).isSameAs(dtype);
    }

    @Test
    void namesOutsideMlxAreRefusedWithTheKnownOnes() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> DType.fromSafetensors("F8_E4M3"))
                .withMessageContainingAll("'F8_E4M3'", "BF16", "C64");
        assertThatIllegalArgumentException().isThrownBy(() -> DType.fromSafetensors("f32"));
    }
}
