/* A sound card that knows one sample rate: preloaded, it stands between PortAudio and ALSA.
 *
 *     cc -shared -fPIC -O2 -o stubborn.so stubborn.c -ldl
 *     LD_PRELOAD=./stubborn.so STUBBORN_RATE=44100 python …
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

typedef int (*set_rate)(void *pcm, void *params, unsigned int *rate, int *direction);

int snd_pcm_hw_params_set_rate_near(void *pcm, void *params, unsigned int *rate, int *direction)
{
    static set_rate real;
    const char *wanted = getenv("STUBBORN_RATE");
    if (!real) /* ALSA is loaded late and privately, so RTLD_NEXT would not see it */
        real = (set_rate)dlsym(dlopen("libasound.so.2", RTLD_LAZY),
                               "snd_pcm_hw_params_set_rate_near");
    if (wanted)
        *rate = (unsigned int)atoi(wanted);
    return real(pcm, params, rate, direction);
}
