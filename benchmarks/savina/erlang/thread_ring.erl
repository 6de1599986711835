-module(thread_ring).
-export([main/2, link/2]).

main(Processes, Hops) ->
    Me = self(),
    Ring = [First | Rest] = [spawn_link(?MODULE, link, [N, Me]) || N <- lists:seq(0, Processes - 1)],
    lists:foreach(fun({Pid, Next}) -> Pid ! {next, Next} end, lists:zip(Ring, Rest ++ [First])),
    First ! Hops,
    Last = receive Number -> Number end,
    [Pid ! stop || Pid <- Ring],
    Last.

link(Number, Boss) ->
    receive {next, Next} -> pass(Number, Boss, Next) end.

pass(Number, Boss, Next) ->
    receive
        0 -> Boss ! Number, pass(Number, Boss, Next);
        stop -> ok;
        Token -> Next ! Token - 1, pass(Number, Boss, Next)
    end.
