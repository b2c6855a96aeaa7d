package dev.mlxnative.bench.cli;

import java.io.PrintWriter;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What all commands have: help, output, and an end in one line if something fails. */
public abstract class Program implements Callable<Integer> {

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help and exit.")
    private boolean help;

    /** The command line, which runs the program and makes an exit code of every failure. */
    public final CommandLine commandLine() {
        return new CommandLine(this)
                .setExpandAtFiles(false)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionExceptionHandler(CommandFailure::handle);
    }

    protected final PrintWriter out() {
        return spec.commandLine().getOut();
    }

    protected final PrintWriter err() {
        return spec.commandLine().getErr();
    }

    /**
     * Requires a value that an option accepts.
     *
     * @throws ParameterException if it is not valid
     */
    protected final void require(boolean valid, String option, @Nullable Object value) {
        if (!valid) {
            throw wrongUsage("Invalid value for option '" + option + "': " + value);
        }
    }

    /** The end of a program that was used wrongly: picocli prints the message, and the usage. */
    protected final ParameterException wrongUsage(String message) {
        return new ParameterException(spec.commandLine(), message);
    }
}
