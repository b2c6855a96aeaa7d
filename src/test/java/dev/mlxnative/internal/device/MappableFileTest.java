package dev.mlxnative.internal.device;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MappableFileTest {
    @TempDir
    Path folder;

    private final MemorySegment target = Arena.ofAuto().allocate(4);

    @Test
    void readsAPart() throws Exception {
        Path path = Files.writeString(folder.resolve("weights"), "the weights");
        MappableFile file = MappableFile.of(path);
        assertThat(file.size()).isEqualTo(11);
        file.read(4, target);
        assertThat(new String(target.toArray(JAVA_BYTE), java.nio.charset.StandardCharsets.US_ASCII))
                .isEqualTo("weig");
    }

    @Test
    void doesNotReadBeyondATruncation() throws Exception {
        Path path = Files.writeString(folder.resolve("weights"), "the weights");
        MappableFile file = MappableFile.of(path);
        Files.writeString(path, "the we");
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> file.read(4, target))
                .withMessage(path + " has been truncated to 6 bytes, and 4 bytes at offset 4 are needed");
    }

    @Test
    void doesNotReadAnotherFile() throws Exception {
        Path path = Files.writeString(folder.resolve("weights"), "the weights");
        MappableFile file = MappableFile.of(path);
        Files.move(
                Files.writeString(folder.resolve("others"), "others here"), path, StandardCopyOption.REPLACE_EXISTING);
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> file.read(4, target))
                .withMessage(path + " has been replaced by another file");
        Files.delete(path);
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> file.read(4, target));
    }
}
