package dev.mlxnative.internal.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MappingLimitTest {
    @TempDir
    Path folder;

    private Path most;
    private Path mappings;

    private MappingLimit limit(long most, int mappings) throws IOException {
        this.most = Files.writeString(folder.resolve("most"), most + "\n");
        this.mappings = folder.resolve("mappings");
        setMappings(mappings);
        return new MappingLimit(this.most, this.mappings);
    }

    private void setMappings(int count) throws IOException {
        Files.writeString(mappings, "7f00-7f01 r--s /a file\n".repeat(count));
    }

    private static int takeAll(MappingLimit limit) {
        int taken = 0;
        try {
            while (taken < 10_000) {
                limit.take(Path.of("weights"));
                taken++;
            }
        } catch (IOException e) {
            return taken;
        }
        return taken;
    }

    @Test
    void keepsASixteenthFree() throws Exception {
        MappingLimit limit = limit(160, 150);
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> limit.take(Path.of("weights")))
                .withMessageContainingAll("weights", "150 of the 160 memory", "vm.max_map_count", "10 are kept");
        setMappings(149);
        limit.take(Path.of("weights"));
    }

    @Test
    void countsAgainAfterASixteenth() throws Exception {
        MappingLimit limit = limit(160, 0);
        for (int i = 0; i < 10; i++) {
            limit.take(Path.of("weights"));
        }
        setMappings(148);
        limit.take(Path.of("weights"));
        limit.take(Path.of("weights"));
        setMappings(150);
        assertThat(takeAll(limit)).isZero();
        setMappings(145);
        assertThat(takeAll(limit)).as("the count does not change").isEqualTo(10_000);
    }

    @Test
    void grantsEverythingWhereThereIsNoLimit() {
        Path nothing = folder.resolve("nothing");
        assertThat(takeAll(new MappingLimit(nothing, nothing))).isEqualTo(10_000);
    }
}
