package dev.mlxnative.bench.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests what the reader puts in place of directives. */
class SourceReaderTest {

    @TempDir
    private Path directory;

    private Path folder;
    private Path other;

    @BeforeEach
    void makeFolders() throws IOException {
        folder = Files.createDirectories(directory.toRealPath().resolve("folder"));
        other = Files.createDirectories(directory.toRealPath().resolve("other"));
    }

    @Test
    void putsAnIncludedFileInPlaceAndNumbersTheLinesOfBoth() throws IOException {
        Path source = write(folder, "a.metal", "one\n#include \"b.h\"\nthree\n");
        Path header = write(folder, "b.h", "inside\n");

        assertThat(read(source))
                .containsExactly(
                        "#line 1 \"" + source + "\"",
                        "one",
                        "#line 1 \"" + header + "\"",
                        "inside",
                        "#line 3 \"" + source + "\"",
                        "three");
    }

    @Test
    void prefersTheFolderOfTheFileToTheIncludeFolders() throws IOException {
        Path source = write(folder, "a.metal", "# include \"b.h\" // first\n#import \"c.h\"\n");
        write(folder, "b.h", "beside");
        write(other, "b.h", "elsewhere");
        write(other, "c.h", "#include \"d.h\"");
        write(other, "d.h", "beside the header");

        assertThat(read(source)).contains("beside", "beside the header").doesNotContain("elsewhere");
    }

    @Test
    void keepsDirectivesOfFilesThatItDoesNotFind() throws IOException {
        Path source = write(folder, "a.metal", "#include \"missing.h\"\n#include <metal_stdlib>\n");

        assertThat(read(source)).contains("#include \"missing.h\"", "#include <metal_stdlib>");
    }

    @Test
    void guardsEachCopyOfAFileThatIsIncludedOnce() throws IOException {
        Path source = write(folder, "a.metal", "#if 0\n#include \"b.h\"\n#endif\n#include \"b.h\"\n");
        write(folder, "b.h", "#pragma once\ninside\n");

        List<String> lines = read(source);

        assertThat(lines).filteredOn("inside"::equals).hasSize(2);
        assertThat(lines)
                .filteredOn(line -> line.startsWith("#ifndef "))
                .hasSize(2)
                .containsOnly(lines.get(2));
        assertThat(lines).filteredOn(line -> line.startsWith("#define ")).hasSize(2);
        assertThat(lines).noneMatch(line -> line.contains("once"));
    }

    @Test
    void includesAFileInItselfOnce() throws IOException {
        Path source = write(folder, "a.metal", "#include \"b.h\"\n");
        write(folder, "b.h", "#include \"c.h\"\nb\n");
        write(folder, "c.h", "#include \"b.h\"\n#include \"c.h\"\nc\n");

        assertThat(read(source)).filteredOn(line -> !line.startsWith("#line")).containsExactly("", "", "c", "b");
    }

    private List<String> read(Path source) throws IOException {
        return new SourceReader(List.of(other)).read(source).lines().toList();
    }

    private static Path write(Path folder, String name, String text) throws IOException {
        return Files.writeString(folder.resolve(name), text);
    }
}
