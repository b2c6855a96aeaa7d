package dev.mlxnative.internal.background;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.mlxnative.Unreachable;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class DaemonTimerTest {
    private static final long HOUR = TimeUnit.HOURS.toNanos(1);

    /** The threads that the timer has started. */
    private final List<Thread> threads = new CopyOnWriteArrayList<>();

    private volatile boolean noThreads;
    private final AtomicInteger refusals = new AtomicInteger();
    private final DaemonTimer timer = new DaemonTimer(this::start);

    private final BlockingQueue<String> ran = new ArrayBlockingQueue<>(100);

    private void start(Runnable code) {
        if (noThreads) {
            refusals.incrementAndGet();
            throw new OutOfMemoryError("unable to create native thread");
        }
        Thread thread = DaemonThreads.unstarted("timer", code);
        threads.add(thread);
        thread.start();
    }

    private DaemonTimer.Task task(String name) {
        return timer.task(() -> ran.add(name));
    }

    private static long millis(long millis) {
        return TimeUnit.MILLISECONDS.toNanos(millis);
    }

    private static void awaitEnd(Thread thread) throws InterruptedException {
        thread.join(TimeUnit.SECONDS.toMillis(20));
        assertThat(thread.isAlive()).as("the thread is alive").isFalse();
    }

    @Test
    void tasksRunInTheOrderOfTheirTimesOnOneThread() throws Exception {
        assertThat(task("never").schedule(Long.MAX_VALUE)).isTrue();
        task("third").schedule(millis(300));
        task("first").schedule(millis(100));
        task("second").schedule(millis(200));
        long start = System.nanoTime();
        assertThat(List.of(ran.take(), ran.take(), ran.take())).containsExactly("first", "second", "third");
        assertThat(System.nanoTime() - start).isBetween(millis(250), millis(20_000));
        assertThat(threads).hasSize(1);
        assertThat(ran).isEmpty();
    }

    @Test
    void aTaskThatIsScheduledAgainRunsAtTheNewTimeAlone() throws Exception {
        DaemonTimer.Task later = task("later");
        DaemonTimer.Task sooner = task("sooner");
        later.schedule(millis(1));
        later.schedule(millis(200));
        sooner.schedule(HOUR);
        sooner.schedule(millis(100));
        assertThat(List.of(ran.take(), ran.take())).containsExactly("sooner", "later");
        later.schedule(millis(1));
        assertThat(ran.take()).isEqualTo("later");
        assertThat(ran).isEmpty();
    }

    @Test
    void aCancelledTaskDoesNotRunWhereverItIsInTheList() throws Exception {
        List<DaemonTimer.Task> tasks = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            tasks.add(task("task " + i));
            tasks.get(i).schedule(millis(100 + i));
        }
        for (int i = 0; i < 5; i += 2) {
            tasks.get(i).cancel();
            tasks.get(i).cancel();
        }
        assertThat(List.of(ran.take(), ran.take())).containsExactly("task 1", "task 3");
        task("last").schedule(millis(50));
        assertThat(ran.take()).isEqualTo("last");
    }

    @Test
    void aCancelledTaskIsUnreachableAtOnce() {
        task("never").schedule(HOUR);
        WeakReference<Object> held = scheduleAndCancel();
        Unreachable.require("what a cancelled task uses", held);
        assertThat(threads.getFirst().isAlive()).isTrue();
    }

    private WeakReference<Object> scheduleAndCancel() {
        Object used = new Object();
        DaemonTimer.Task task = timer.task(() -> ran.add("used " + used));
        task.schedule(HOUR / 2);
        // The thread goes to sleep until then.
        while (threads.getFirst().getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
        task.cancel();
        return new WeakReference<>(used);
    }

    @Test
    void theThreadEndsAfterTheLastTask() throws Exception {
        task("only").schedule(millis(1));
        awaitEnd(threads.getFirst());
        assertThat(ran).hasSize(1);
        task("next").schedule(millis(1));
        assertThat(ran.take()).isEqualTo("only");
        assertThat(ran.take()).isEqualTo("next");
        assertThat(threads).hasSize(2);
    }

    @Test
    void theThreadEndsWhenTheLastTaskIsCancelled() throws Exception {
        DaemonTimer.Task never = task("never");
        never.schedule(HOUR);
        never.cancel();
        awaitEnd(threads.getFirst());
        assertThat(ran).isEmpty();
    }

    @Test
    void theThreadRefersToNothingOfItsCreator() throws Exception {
        var inheritable = new InheritableThreadLocal<String>();
        var seen = new ArrayBlockingQueue<String>(1);
        DaemonTimer.Task task = timer.task(() -> seen.add(String.valueOf(inheritable.get())));
        var group = new ThreadGroup("an application's");
        var creator = new Thread(group, () -> {
            Thread.currentThread().setContextClassLoader(new ClassLoader() {});
            inheritable.set("inherited");
            task.schedule(millis(1));
        });
        creator.start();
        assertThat(seen.take()).isEqualTo("null");
        Thread thread = threads.getFirst();
        assertThat(thread.isDaemon()).isTrue();
        assertThat(thread.getContextClassLoader()).isSameAs(ClassLoader.getSystemClassLoader());
        assertThat(thread.getThreadGroup().getParent()).isNull();
    }

    @Test
    void aTaskThatFailsAndAnInterruptDisturbNoOtherTask() throws Exception {
        timer.task(() -> {
                    throw new IllegalStateException("a task that fails");
                })
                .schedule(millis(1));
        task("next").schedule(millis(100));
        threads.getFirst().interrupt();
        assertThat(ran.take()).isEqualTo("next");
        assertThat(threads).hasSize(1);
    }

    @Test
    void withoutAThreadATaskWaitsForOne() throws Exception {
        noThreads = true;
        DaemonTimer.Task first = task("first");
        assertThat(first.schedule(millis(1))).isFalse();
        assertThat(task("second").schedule(millis(1))).isFalse();
        assertThat(refusals).as("the process is asked once a second").hasValue(1);
        noThreads = false;
        DaemonTimer.Task third = task("third");
        while (!third.schedule(millis(200))) {
            TimeUnit.MILLISECONDS.sleep(10);
        }
        assertThat(List.of(ran.take(), ran.take(), ran.take())).containsExactly("first", "second", "third");
    }

    @Test
    void anyOtherErrorOfAStartIsTheCallers() {
        var broken = new DaemonTimer(code -> {
            throw new StackOverflowError();
        });
        DaemonTimer.Task task = broken.task(() -> {});
        assertThatThrownBy(() -> task.schedule(1)).isInstanceOf(StackOverflowError.class);
        task.cancel();
    }

    @Test
    void anAttemptIsRepeatedUntilItSucceeds() throws Exception {
        var attempts = new AtomicInteger();
        var succeeded = new CountDownLatch(1);
        timer.retry(() -> {
            boolean success = attempts.incrementAndGet() == 3;
            if (success) {
                succeeded.countDown();
            }
            return success;
        });
        succeeded.await();
        awaitEnd(threads.getFirst());
        assertThat(attempts).hasValue(3);
    }
}
