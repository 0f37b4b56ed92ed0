/* A virtual sound card with an exact clock: an ALSA plugin that records its input on a tape.
 *
 *     cc -shared -fPIC -O2 -DPIC -o libasound_module_pcm_air.so virtual_card.c -lasound
 *
 *     pcm_type.air { lib "/where/it/is/libasound_module_pcm_air.so" }
 *     pcm.air { type air tape "/where/to/write.tape" }
 *
 * Like a real card it consumes 48,000 frames of its buffer in a second of CLOCK_MONOTONIC, wakes its
 * program at the end of each period, and stops in an underrun when the buffer is empty. The tape is
 * a sequence of blocks: output time of the first frame (int64, ns of CLOCK_MONOTONIC), number of
 * frames (int64), and their first channel (float32).
 */
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { RATE = 48000, CHANNELS = 2, FRAME = CHANNELS * sizeof(float), LONGEST = 1 << 16 };
static const int64_t SECOND = 1000000000;

struct card {
    snd_pcm_ioplug_t io;
    int tape;
    int64_t start_ns;          /* output time of frame 0 */
    snd_pcm_uframes_t played;  /* frames since */
    float piece[LONGEST];
};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* Wakes the program every period_ns from now on, or not at all if it is 0. */
static int wake_every(struct card *card, int64_t period_ns) {
    struct timespec time = {period_ns / SECOND, period_ns % SECOND};
    struct itimerspec timer = {time, time};
    return timerfd_settime(card->io.poll_fd, 0, &timer, NULL) < 0 ? -errno : 0;
}

static int start(snd_pcm_ioplug_t *io) {
    struct card *card = io->private_data;
    card->start_ns = now_ns();
    return wake_every(card, (int64_t)io->period_size * SECOND / RATE);
}

static int stop(snd_pcm_ioplug_t *io) { return wake_every(io->private_data, 0); }

static int prepare(snd_pcm_ioplug_t *io) {
    struct card *card = io->private_data;
    card->played = 0;
    return 0;
}

static void tape(struct card *card, snd_pcm_uframes_t frames) {
    const snd_pcm_channel_area_t *area = snd_pcm_ioplug_mmap_areas(&card->io);
    int64_t head[2] = {card->start_ns + (int64_t)card->played * SECOND / RATE, frames};
    for (snd_pcm_uframes_t i = 0; i < frames; i++) {
        size_t place = (card->played + i) % card->io.buffer_size;
        card->piece[i] = *(const float *)((char *)area->addr + (area->first + place * area->step) / 8);
    }
    struct iovec parts[] = {{head, sizeof head}, {card->piece, frames * sizeof(float)}};
    if (writev(card->tape, parts, 2) < 0) perror("air: the tape");
}

/* The position in the buffer; plays all frames up to it. */
static snd_pcm_sframes_t pointer(snd_pcm_ioplug_t *io) {
    struct card *card = io->private_data;
    if (io->state != SND_PCM_STATE_RUNNING && io->state != SND_PCM_STATE_DRAINING)
        return card->played % io->buffer_size;
    snd_pcm_uframes_t due = (now_ns() - card->start_ns) * RATE / SECOND - card->played;
    snd_pcm_uframes_t there = snd_pcm_ioplug_hw_avail(io, io->hw_ptr, io->appl_ptr);
    if (due > there) return -EPIPE;
    if (due > LONGEST) due = LONGEST;
    if (due) tape(card, due);
    card->played += due;
    return card->played % io->buffer_size;
}

static int poll_revents(snd_pcm_ioplug_t *io, struct pollfd *polled, unsigned n, unsigned short *events) {
    uint64_t ticks;
    *events = n == 1 && read(io->poll_fd, &ticks, sizeof ticks) > 0 ? POLLOUT : 0;
    (void)polled;
    return 0;
}

static int close_card(snd_pcm_ioplug_t *io) {
    struct card *card = io->private_data;
    close(io->poll_fd);
    close(card->tape);
    free(card);
    return 0;
}

static const snd_pcm_ioplug_callback_t CALLBACKS = {
    .start = start, .stop = stop, .prepare = prepare, .pointer = pointer,
    .poll_revents = poll_revents, .close = close_card,
};

static int constrain(snd_pcm_ioplug_t *io) {
    static const unsigned access[] = {SND_PCM_ACCESS_MMAP_INTERLEAVED, SND_PCM_ACCESS_RW_INTERLEAVED};
    static const unsigned formats[] = {SND_PCM_FORMAT_FLOAT_LE};
    int error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);
    if (!error) error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, formats);
    if (!error) error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS, CHANNELS, CHANNELS);
    if (!error) error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE, RATE, RATE);
    if (!error) error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 48 * FRAME, 8192 * FRAME);
    if (!error) error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_BUFFER_BYTES, 96 * FRAME, 32768 * FRAME);
    if (!error) error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIODS, 2, 64);
    return error;
}

SND_PCM_PLUGIN_DEFINE_FUNC(air) {
    snd_config_iterator_t each, next;
    const char *path = NULL;
    (void)root;
    snd_config_for_each(each, next, conf) {
        snd_config_t *node = snd_config_iterator_entry(each);
        const char *id;
        if (snd_config_get_id(node, &id) == 0 && strcmp(id, "tape") == 0) snd_config_get_string(node, &path);
    }
    if (path == NULL) {
        SNDERR("air: no tape; add: tape \"/where/to/write.tape\"");
        return -EINVAL;
    }
    struct card *card = calloc(1, sizeof *card);
    if (card == NULL) return -ENOMEM;
    card->tape = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    card->io.version = SND_PCM_IOPLUG_VERSION;
    card->io.name = "A sound card of air";
    card->io.callback = &CALLBACKS;
    card->io.private_data = card;
    card->io.mmap_rw = 1;
    card->io.poll_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    card->io.poll_events = POLLIN;
    int error = card->tape < 0 || card->io.poll_fd < 0 ? -errno : 0;
    if (!error) error = snd_pcm_ioplug_create(&card->io, name, stream, mode);
    if (!error && (error = constrain(&card->io))) snd_pcm_ioplug_delete(&card->io);
    else if (error) free(card);
    *pcmp = card->io.pcm;
    return error;
}
SND_PCM_PLUGIN_SYMBOL(air);
