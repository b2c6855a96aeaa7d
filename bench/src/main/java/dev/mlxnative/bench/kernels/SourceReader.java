package dev.mlxnative.bench.kernels;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads a source with the files that it includes in quotes put in place of the directives, because a library is
 * compiled from one text. Lines with {@code #line} keep the files and the numbers of lines in the compiler's messages.
 *
 * <p>A file is looked for beside the one that includes it, and then in the include folders; a directive whose file is
 * in none of them stays, for the compiler to judge. Directives are replaced also where the preprocessor skips them.
 * {@code #pragma once} therefore becomes a guard with a macro. A file that includes itself is put in once.
 */
final class SourceReader {

    private static final Pattern INCLUDE = Pattern.compile("\\s*#\\s*(?:include|import)\\s*\"([^\"]+)\".*");
    private static final Pattern ONCE = Pattern.compile("\\s*#\\s*pragma\\s+once\\b.*");

    private final List<Path> includeFolders;
    private final Map<Path, Integer> guards = new LinkedHashMap<>();
    private final Deque<Path> open = new ArrayDeque<>();

    SourceReader(List<Path> includeFolders) {
        this.includeFolders = includeFolders;
    }

    String read(Path file) throws IOException {
        StringBuilder text = new StringBuilder();
        append(file.toRealPath(), text);
        return text.toString();
    }

    private void append(Path file, StringBuilder text) throws IOException {
        open.push(file);
        List<String> lines = new String(Files.readAllBytes(file), StandardCharsets.UTF_8)
                .lines()
                .toList();
        boolean once = lines.stream().anyMatch(line -> ONCE.matcher(line).matches());
        String guard = "INCLUDED_ONCE_" + guards.computeIfAbsent(file, added -> guards.size());
        if (once) {
            text.append("#ifndef ")
                    .append(guard)
                    .append("\n#define ")
                    .append(guard)
                    .append('\n');
        }
        appendLineMarker(1, file, text);
        for (int i = 0; i < lines.size(); i++) {
            appendLine(lines.get(i), i + 2, file, text);
        }
        if (once) {
            text.append("#endif\n");
        }
        open.pop();
    }

    /** Appends a line, or the file that it includes; the next line has the number {@code nextNumber}. */
    private void appendLine(String line, int nextNumber, Path file, StringBuilder text) throws IOException {
        Matcher include = INCLUDE.matcher(line);
        Path included = include.matches() ? find(include.group(1), file) : file;
        if (!include.matches() || included.equals(file)) {
            text.append(ONCE.matcher(line).matches() || include.matches() && included.equals(file) ? "" : line)
                    .append('\n');
            return;
        }
        if (included.toString().isEmpty()) {
            text.append(line).append('\n');
        } else if (open.contains(included)) {
            text.append('\n');
        } else {
            append(included, text);
            appendLineMarker(nextNumber, file, text);
        }
    }

    /** The file that a directive names; the empty path if there is none. */
    private Path find(String name, Path includedBy) throws IOException {
        Path beside = includedBy.resolveSibling(name);
        if (Files.isRegularFile(beside)) {
            return beside.toRealPath();
        }
        for (Path folder : includeFolders) {
            Path file = folder.resolve(name);
            if (Files.isRegularFile(file)) {
                return file.toRealPath();
            }
        }
        return Path.of("");
    }

    private static void appendLineMarker(int number, Path file, StringBuilder text) {
        String name = file.toString().replace("\\", "\\\\").replace("\"", "\\\"");
        text.append("#line ").append(number).append(" \"").append(name).append("\"\n");
    }
}
