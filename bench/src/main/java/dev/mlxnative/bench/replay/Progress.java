package dev.mlxnative.bench.replay;

import java.io.Console;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** How far a program has come, for whoever is watching. */
public interface Progress extends AutoCloseable {

    /** What is being replayed from now on. */
    void trace(String name);

    void requestsDone(long count);

    /** Leaves nothing of itself on the screen. */
    @Override
    void close();

    /**
     * A bar on standard error if somebody sits at a terminal that can redraw a line; otherwise nothing at all.
     *
     * @param task the name in front of it
     */
    static Progress of(String task, long total) {
        Console console = System.console();
        boolean terminal = console != null && console.isTerminal() && !"dumb".equals(System.getenv("TERM"));
        return terminal ? new Bar(task, total) : new Silent();
    }

    /** A bar that is redrawn in place. */
    final class Bar implements Progress {

        /** Fits the narrowest terminal in use; asking for the real width would load a native library. */
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

    /** Says nothing. */
    final class Silent implements Progress {

        @Override
        public void trace(String name) {}

        @Override
        public void requestsDone(long count) {}

        @Override
        public void close() {}
    }
}
