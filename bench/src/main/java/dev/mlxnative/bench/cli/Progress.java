package dev.mlxnative.bench.cli;

import java.io.Console;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** The progress display of a program. */
public interface Progress extends AutoCloseable {

    /** Shows the name of the trace that the program replays next. */
    void trace(String name);

    void requestsDone(long count);

    /** Removes the display from the screen. */
    @Override
    void close();

    /**
     * Creates a progress bar on standard error if the console is a terminal that can redraw a line, or else a silent
     * display.
     *
     * @param task the name in front of the bar
     */
    static Progress of(String task, long total) {
        Console console = System.console();
        boolean terminal = console != null && console.isTerminal() && !"dumb".equals(System.getenv("TERM"));
        return terminal ? new Bar(task, total) : new Silent();
    }

    /** A progress bar, redrawn in place. */
    final class Bar implements Progress {

        /** The width of a narrow terminal. A query of the real width would load a native library. */
        private static final int WIDTH = 79;

        private final ProgressBar bar;

        private Bar(String task, long total) {
            bar = new ProgressBarBuilder()
                    .setTaskName(task)
                    .setInitialMax(total)
                    .setStyle(ProgressBarStyle.ASCII)
                    .setUpdateIntervalMillis(200)
                    .setConsumer(new ConsoleProgressBarConsumer(System.err, WIDTH))
                    .clearDisplayOnFinish()
                    .build();
        }

        @Override
        public void trace(String name) {
            bar.setExtraMessage(name);
        }

        @Override
        public void requestsDone(long count) {
            bar.stepBy(count);
        }

        @Override
        public void close() {
            bar.close();
        }
    }

    /** Prints nothing. */
    final class Silent implements Progress {

        @Override
        public void trace(String name) {}

        @Override
        public void requestsDone(long count) {}

        @Override
        public void close() {}
    }
}
