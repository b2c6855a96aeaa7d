package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DTypeTest {
    @ParameterizedTest
    @CsvSource({
        "F32, 4, f32",
        "F16, 2, f16",
        "BF16, 2, bf16",
        "U8, 1, u8",
        "U16, 2, u16",
        "U32, 4, u32",
        "I32, 4, i32",
        "BOOL, 1, bool",
        "I8, 1, i8",
        "I16, 2, i16",
        "I64, 8, i64",
        "U64, 8, u64",
        "F64, 8, f64",
        "C64, 8, c64",
        "F8_E4M3, 1, f8_e4m3",
        "F8_E5M2, 1, f8_e5m2",
        "F8_E8M0, 1, f8_e8m0",
        "F8_E4M3FNUZ, 1, f8_e4m3fnuz",
        "F8_E5M2FNUZ, 1, f8_e5m2fnuz"
    })
    void hasItsSizeAndName(DType dtype, int byteSize, String name) {
        assertThat(dtype.byteSize()).isEqualTo(byteSize);
        assertThat(dtype).hasToString(name);
        assertThat(DType.fromSafetensors(dtype.name())).isSameAs(dtype);
    }

    @Test
    void unknownNamesAreRefusedWithTheKnownOnes() {
        for (String name : new String[] {"F128", "f32", "", " F32"}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> DType.fromSafetensors(name))
                    .withMessageContainingAll("'" + name + "'", "BF16", "F8_E5M2FNUZ");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"F4", "F6_E2M3", "F6_E3M2"})
    void elementsBelowAByteAreRefusedWithTheReason(String name) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> DType.fromSafetensors(name))
                .withMessage("no dtype for the safetensors name '" + name
                        + "': its elements are packed and smaller than a byte. Use U8, with the bytes as the shape");
    }
}
