package dev.mlxnative.bench.kernels;

import dev.mlxnative.MlxCompileOptions;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.bench.cli.CommandFailure;
import dev.mlxnative.bench.cli.Program;
import dev.mlxnative.bench.cli.Progress;
import dev.mlxnative.bench.cli.ResultFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code kernels}: its options, the file that it writes, and its exit code. */
@Command(
        name = "kernels",
        description = "Compiles the Metal sources of other projects, or checks the numbers of their kernels.",
        sortOptions = false,
        exitCodeListHeading = "Exit status:%n",
        exitCodeList = {
            "0:all is well",
            "1:a file or a kernel does not compile, or a check failed or was not found",
            "2:wrong usage, or a folder that cannot be read"
        })
public final class KernelsCommand extends Program {

    private static final String DEFAULT_SAMPLE = "20";

    @Parameters(paramLabel = "FOLDER", arity = "1..*", description = "Folders with .metal files, at any depth.")
    private List<Path> folders = new ArrayList<>();

    @Option(
            names = "--include",
            paramLabel = "FOLDER",
            description = "Look here for files that are included in quotes, after the folder of the file itself.")
    private List<Path> includeFolders = new ArrayList<>();

    @Option(
            names = "--define",
            paramLabel = "NAME[=VALUE]",
            mapFallbackValue = "",
            description = "Define a macro for every source.")
    private Map<String, String> macros = new LinkedHashMap<>();

    @Option(
            names = "--filter",
            paramLabel = "GLOB",
            defaultValue = "*",
            description = "Only the files whose name, or path in its folder, matches; with --check, only the kernels"
                    + " whose name matches.")
    private String filter = "*";

    @Option(
            names = "--kernels",
            paramLabel = "N",
            defaultValue = DEFAULT_SAMPLE,
            description = "Compile this many kernels of each file, spread over its list; 0 for all. ${DEFAULT-VALUE}"
                    + " unless given.")
    private int sampleSize;

    @Option(
            names = "--check",
            description = "Run kernels that the command knows, and compare what they compute with references.")
    private boolean check;

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "Write the results to this file too, one JSON object a line.")
    private @Nullable Path json;

    public static void main(String[] args) {
        System.exit(new KernelsCommand().commandLine().execute(args));
    }

    @Override
    public Integer call() throws CommandFailure {
        require(sampleSize >= 0, "--kernels", sampleSize);
        try (ResultFile file = json == null ? null : ResultFile.open(json);
                MlxDevice device = MlxDevice.open()) {
            return check ? check(device, file) : compile(device, file);
        } catch (IOException e) {
            throw new CommandFailure(String.valueOf(e.getMessage()), CommandLine.ExitCode.USAGE, e);
        }
    }

    private int compile(MlxDevice device, @Nullable ResultFile file) throws CommandFailure, IOException {
        List<Path> sources = SourceFiles.in(folders, filter);
        FileCompiler compiler = new FileCompiler(new SourceCompiler(device, includeFolders, options()), sampleSize);
        List<FileResult> results = new ArrayList<>();
        try (Progress progress = Progress.of("kernels", sources.size())) {
            for (Path source : sources) {
                progress.trace(String.valueOf(source.getFileName()));
                results.add(compiler.compile(source));
                progress.requestsDone(1);
            }
        }
        if (file != null) {
            file.write(results);
        }
        out().println(FileTable.of(results));
        out().println(FileTable.counts(results));
        for (FileResult result : results) {
            if (result.outcome().isFailure()) {
                result.failed().forEach(failed -> err().println(result.file() + ": " + failed));
                result.reason().lines().forEach(reason -> err().println(result.file() + ": " + reason));
            }
        }
        return exitCode(results.stream().anyMatch(result -> result.outcome().isFailure()));
    }

    private int check(MlxDevice device, @Nullable ResultFile file) throws CommandFailure, IOException {
        List<KernelCheck> checks = KernelChecks.matching(filter);
        if (checks.isEmpty()) {
            throw new CommandFailure("no check matches " + filter, CommandLine.ExitCode.USAGE, null);
        }
        List<Path> sources = SourceFiles.in(folders, "*");
        List<CheckResult> results = new ArrayList<>();
        try (CheckRunner runner =
                        new CheckRunner(device, sources, new SourceCompiler(device, includeFolders, options()));
                Progress progress = Progress.of("checks", checks.size())) {
            for (KernelCheck next : checks) {
                progress.trace(next.kernel());
                results.add(runner.run(next));
                progress.requestsDone(1);
            }
        }
        if (file != null) {
            file.write(results);
        }
        out().println(CheckTable.of(results));
        out().println(CheckTable.counts(results));
        for (CheckResult result : results) {
            if (result.outcome() != CheckResult.Outcome.OK) {
                err().println(result.project() + " " + result.kernel() + ": " + result.reason());
            }
        }
        return exitCode(results.stream().anyMatch(result -> result.outcome() != CheckResult.Outcome.OK));
    }

    private MlxCompileOptions options() {
        MlxCompileOptions options = MlxCompileOptions.of();
        for (Map.Entry<String, String> macro : macros.entrySet()) {
            try {
                options = options.define(macro.getKey(), macro.getValue());
            } catch (IllegalArgumentException e) {
                throw wrongUsage("Invalid value for option '--define': " + e.getMessage());
            }
        }
        return options;
    }

    private int exitCode(boolean failed) {
        out().flush();
        err().flush();
        return failed ? CommandLine.ExitCode.SOFTWARE : CommandLine.ExitCode.OK;
    }
}
