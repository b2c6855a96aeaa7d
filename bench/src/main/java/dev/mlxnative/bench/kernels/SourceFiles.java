package dev.mlxnative.bench.kernels;

import dev.mlxnative.bench.cli.CommandFailure;
import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine;

/** The Metal sources in folders, each folder's sorted by path. */
final class SourceFiles {

    private static final String EXTENSION = ".metal";

    private SourceFiles() {}

    /**
     * The sources whose path within their folder, or whose file name, matches a glob.
     *
     * @throws CommandFailure if a folder cannot be read, or there are none in all folders
     */
    static List<Path> in(List<Path> folders, String glob) throws CommandFailure {
        PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + glob);
        List<Path> files = new ArrayList<>();
        for (Path folder : folders) {
            try (Stream<Path> all = Files.walk(folder)) {
                all.filter(file -> file.toString().endsWith(EXTENSION) && Files.isRegularFile(file))
                        .filter(file -> matcher.matches(folder.relativize(file)) || matcher.matches(file.getFileName()))
                        .sorted()
                        .forEach(files::add);
            } catch (IOException e) {
                throw new CommandFailure(folder, e);
            }
        }
        if (files.isEmpty()) {
            throw new CommandFailure("no file *" + EXTENSION + " matches " + glob, CommandLine.ExitCode.USAGE, null);
        }
        return files;
    }
}
