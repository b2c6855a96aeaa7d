package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.code_intelligence.jazzer.mutation.annotation.NotNull;
import org.junit.jupiter.api.Tag;

@Tag("fuzz")
class DTypeFuzzTest {
    @FuzzTest
    void namesAreKnownOrRefused(@NotNull String name) {
        try {
            assertThat(DType.fromSafetensors(name).name()).isEqualTo(name);
        } catch (IllegalArgumentException e) {
            assertThat(e).hasMessageContaining("'" + name + "'");
        }
    }
}
