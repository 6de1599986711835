-module(fj_create).
-export([main/1, worker/1]).

main(Processes) ->
    Me = self(),
    [spawn_link(?MODULE, worker, [Me]) ! Number || Number <- lists:seq(0, Processes - 1)],
    lists:sum([receive Total -> Total end || _ <- lists:seq(1, Processes)]).

worker(Boss) ->
    receive Number -> Boss ! compute(Number) end.

compute(Number) ->
    Theta = math:sin(37.2),
    if Theta * Theta > 0 -> Number; true -> 0 end.
